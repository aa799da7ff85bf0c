package rows

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"nod/channel"
	"nod/disk"
)

// Alarm tells the operator that a role was caught: in the log, and with the evidence,
// if there is any, in a file of the folder alarms, which nothing removes.
func (r *Rows) Alarm(a channel.Alarm) {
	r.Log.Error("ALARM", "role", r.Role, "code", a.Code, "accused", a.Accused, "channel", a.Channel, "index", a.Index,
		"detail", a.Detail, "do", a.Code.Do())
	if a.Evidence == nil {
		return
	}
	path := filepath.Join(r.Folder, "alarms", fmt.Sprintf("%d-%s.json", a.Time.UnixMilli(), a.Code))
	data, err := json.Marshal(a)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = disk.Replace(path, data)
	}
	if err != nil {
		r.Log.Error("the evidence of an alarm could not be kept", "role", r.Role, "error", err)
		return
	}
	r.Log.Error("evidence kept", "role", r.Role, "file", path)
}
