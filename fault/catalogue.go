package fault

// Each code is declared beside its meaning, and catalogued below with its class
// and what to do. A test holds the two lists equal.
const (
	// Unexpected: an error without a code reached a boundary.
	Unexpected Code = "unexpected"

	// Values and encodings.
	BadDimension Code = "bad_dimension" // a vector or code of the wrong length
	NotFinite    Code = "not_finite"    // a NaN or an infinity
	ZeroVector   Code = "zero_vector"   // a vector without a direction
	Truncated    Code = "truncated"     // bytes end too soon
	Oversize     Code = "oversize"      // more bytes than allowed, or bytes left over
	BadEncoding  Code = "bad_encoding"  // not the strict encoding
	UnknownField Code = "unknown_field" // a field that nothing reads
	OutOfRange   Code = "out_of_range"  // a number outside its stated range

	// Models and policies.
	WrongModel   Code = "wrong_model"   // a model file that is not the one named
	UnknownModel Code = "unknown_model" // a model or policy that this server was not given
	TooFewFaces  Code = "too_few_faces" // a data set too small to calibrate on

	// Keys and stores.
	KeyVersion         Code = "key_version"         // a key version that is destroyed, refused or not made
	UnknownKey         Code = "unknown_key"         // no key of that name or id
	KeyringUnavailable Code = "keyring_unavailable" // the keys' keeper does not answer
	BadCiphertext      Code = "bad_ciphertext"      // changed, moved, or for another key
	NotFound           Code = "not_found"           // no such row or file
	Conflict           Code = "conflict"            // a row is not as the writer saw it
	StoreUnavailable   Code = "store_unavailable"   // the store failed; the write may have happened
	StoreInUse         Code = "store_in_use"        // another process holds the store
	StoreDamaged       Code = "store_damaged"       // the store's own files are not as it wrote them
	StoreForeign       Code = "store_foreign"       // a database of another role, or one that nobody prepared
	StoreUnsafe        Code = "store_unsafe"        // a database server that may lose what it acknowledged
	RecordForged       Code = "record_forged"       // a stored row was changed, moved or made under another key
	KeysetForged       Code = "keyset_forged"       // a wrapped keyset was changed, moved or wrapped under another key
	KeyType            Code = "key_type"            // a key of another type than the operation needs
	KeyExposed         Code = "key_exposed"         // a key that its keeper may give out or drop, or that was made elsewhere
	Exposed            Code = "exposed"             // a file of secrets that other users may open, or one of trust that they may write to
	AuditUnavailable   Code = "audit_unavailable"   // the audit record cannot be written
	AuditBroken        Code = "audit_broken"        // the audit record's hash chain does not hold

	// Signatures, and what is signed.
	BadSignature   Code = "bad_signature"   // it does not verify, or is not in its one form
	BadAlgorithm   Code = "bad_algorithm"   // a JWS algorithm that is not its key's
	BadType        Code = "bad_type"        // a JWS of another type
	BadKey         Code = "bad_key"         // not a P-256 or Ed25519 key in its one form
	BadCertificate Code = "bad_certificate" // not certified by its own role's identity key
	BadBundle      Code = "bad_bundle"      // a trust bundle that may not replace the pinned one
	KeyExpired     Code = "key_expired"     // a short-lived key outside its time
	UnknownParty   Code = "unknown_party"   // a relying party or station that the operator did not name
	PurposeRefused Code = "purpose_refused" // a purpose that the relying party may not ask for
	Expired        Code = "expired"         // too old
	NotYetValid    Code = "not_yet_valid"   // from the future
	WrongRequest   Code = "wrong_request"   // an answer about another request or session
	WrongParty     Code = "wrong_party"     // for another relying party
	WrongPolicy    Code = "wrong_policy"    // under another purpose, model or policy
	NotCosigned    Code = "not_cosigned"    // not signed by both servers, each in its own role
	StaleOrder     Code = "stale_order"     // not newer than the newest order applied

	// Photos.
	BadPhoto         Code = "bad_photo"         // not a JPEG or PNG within the limits
	NoFace           Code = "no_face"           // no face was found
	SeveralFaces     Code = "several_faces"     // several faces of similar size
	FaceTooSmall     Code = "face_too_small"    // too few pixels over the face
	FaceCutOff       Code = "face_cut_off"      // part of the face is outside the photo
	FaceBlurred      Code = "face_blurred"      // out of focus or moved
	FaceTooDark      Code = "face_too_dark"     // too little light on the face
	FaceTooBright    Code = "face_too_bright"   // too much light on the face
	FaceInconsistent Code = "face_inconsistent" // photos said to be of one person are not

	// Face networks.
	NetworkMissing  Code = "network_missing"   // its files are not in the folder, or it was closed
	NetworkChanged  Code = "network_changed"   // a file is not the one that the program names
	NetworkNotBuilt Code = "network_not_built" // the program was built without it

	// Calls between roles.
	UnknownMethod Code = "unknown_method" // no such call
	PeerFault     Code = "peer_fault"     // the other side failed with a code unknown here
	NotAllowed    Code = "not_allowed"    // this caller may not make this call
	WrongPeer     Code = "wrong_peer"     // the other side is not whom this side's operator pinned
	WrongVersion  Code = "wrong_version"  // the other side speaks messages of another version
	ClockOff      Code = "clock_off"      // this machine's clock and another's are far apart
	CannotListen  Code = "cannot_listen"  // an address that cannot be listened at
	// PeerUnavailable: the other side cannot be reached, or was lost during the call.
	PeerUnavailable Code = "peer_unavailable"

	// Comparison.
	WrongStep Code = "wrong_step" // a message out of order, or a half used twice
	Tampered  Code = "tampered"   // the other party, or the dealer, is not honest
	PeerSeed  Code = "peer_seed"  // the other party opened a seed that is not in the dealer's list
	// DealerCheated: an opened correlation is not what the dealer's seeds give.
	DealerCheated Code = "dealer_cheated"

	// Correlations.
	UnknownChannel        Code = "unknown_channel"        // a channel that this instance does not hold
	ChannelStopped        Code = "channel_stopped"        // an alarm stopped it for good
	ChannelLimit          Code = "channel_limit"          // too many channels are open
	WrongCheck            Code = "wrong_check"            // a correlation of a channel for another check
	IndexUsed             Code = "index_used"             // a correlation or batch that is gone: used, sacrificed, dropped or never dealt
	CorrelationsExhausted Code = "correlations_exhausted" // none was ready in time

	SlotBusy       Code = "slot_busy"       // too many enrolments of a slot wait for an acknowledgement
	SessionUsed    Code = "session_used"    // the session was compared before
	UnknownSession Code = "unknown_session" // no such session, or it is over
	UnknownPolicy  Code = "unknown_policy"  // no such policy at this server
	Replayed       Code = "replayed"        // a jti, order or enrolment that was used before
	SessionBusy    Code = "session_busy"    // the session is being opened by another call
	SessionGone    Code = "session_gone"    // the request's session ended, or was at an instance that is gone
	Overloaded     Code = "overloaded"      // too much at once
	RowMismatch    Code = "row_mismatch"    // the two servers do not hold the same row
	// The command line.
	Usage        Code = "usage"         // the command line is not as the help says
	NoDeployment Code = "no_deployment" // no embedded deployment in the folder

	// Processes.
	Cancelled Code = "cancelled" // the caller's deadline passed or it gave up
)

type entry struct {
	class Class
	do    string
}

var catalogue = map[Code]entry{
	Unexpected:   {Internal, "look in the log of the role that answered"},
	BadDimension: {Refused, "use the model that the session names"},
	NotFinite:    {Refused, "check the network that made the features"},
	ZeroVector:   {Refused, "check the network that made the features"},
	Truncated:    {Refused, "send the whole message"},
	Oversize:     {Refused, "send one message within the limits of docs/spec/wire.md"},
	BadEncoding:  {Refused, "write it in the form that its page under docs describes"},
	UnknownField: {Refused, "remove the field, or check its spelling"},
	OutOfRange:   {Refused, "use a value in the stated range"},

	WrongModel:   {Refused, "get the model file again from its publisher; do not change it"},
	UnknownModel: {Refused, "use a model or policy that both servers' operators loaded"},
	TooFewFaces:  {Refused, "add people, many of them with two photos or more and some with four"},

	KeyVersion:         {Refused, "renew the template to a live key version"},
	UnknownKey:         {Refused, "ask for the current key configuration"},
	KeyringUnavailable: {Unavailable, "check that the keyring can be reached, then try again"},
	BadCiphertext:      {Refused, "encrypt again for this place and key"},
	NotFound:           {Refused, "check the name"},
	Conflict:           {Refused, "read the row again, then decide"},
	StoreUnavailable:   {Unavailable, "check the disk and its free space, or that the database server can be reached"},
	StoreInUse:         {Refused, "stop the other process, or give this one a folder of its own"},
	StoreDamaged:       {Internal, "stop this role, check the disk, and restore the store from a backup"},
	StoreForeign:       {Refused, "give each role the database that was made and migrated for it"},
	StoreUnsafe:        {Refused, "set fsync, full_page_writes and synchronous_commit on in the database server"},
	RecordForged:       {Tamper, "find out who wrote to the store; restore the row from a backup, or delete it"},
	KeysetForged:       {Tamper, "restore the role's keyset from a backup; without it its rows cannot be read"},
	KeyType:            {Refused, "use a key of the right type, or another name"},
	KeyExposed:         {Tamper, "find out who changed the key's settings; do not use it: make a new key"},
	Exposed:            {Refused, "take the others' rights away: chmod 600 the file, chmod 700 the folder"},
	AuditUnavailable:   {Unavailable, "check the audit folder and its free space, then restart the role"},
	AuditBroken:        {Tamper, "keep the file as evidence, find out who wrote to it, and start a new one"},

	BadSignature:   {Refused, "sign the exact bytes with the registered key; ES256 needs low s"},
	BadAlgorithm:   {Refused, "use ES256 with a P-256 key, EdDSA with an Ed25519 key"},
	BadType:        {Refused, "set typ as docs/spec/orders.md says"},
	BadKey:         {Refused, "use a P-256 or Ed25519 key, encoded as docs/spec/orders.md says"},
	BadCertificate: {Tamper, "do not send anything; check that the trust bundle is current"},
	BadBundle:      {Tamper, "keep the pinned trust bundle; ask the operators for the one that follows it"},
	KeyExpired:     {Refused, "ask for the current key configuration; check the clock"},
	UnknownParty:   {Refused, "register the party and its key with both servers' operators"},
	PurposeRefused: {Refused, "use a purpose registered for the relying party"},
	Expired:        {Refused, "sign a new one; check the clock"},
	NotYetValid:    {Refused, "check the clock"},
	WrongRequest:   {Tamper, "discard it; make a new request"},
	WrongParty:     {Refused, "use it only with the relying party that it names"},
	WrongPolicy:    {Tamper, "discard it; make a new request"},
	NotCosigned:    {Tamper, "discard it; make a new request"},
	StaleOrder:     {Refused, "sign a new order"},

	BadPhoto:         {NotCompared, "use a JPEG or PNG photo of at most 16 MiB and 40 megapixels"},
	NoFace:           {NotCompared, "face the camera, in good light"},
	SeveralFaces:     {NotCompared, "have one person alone in front of the camera"},
	FaceTooSmall:     {NotCompared, "come closer to the camera"},
	FaceCutOff:       {NotCompared, "have the whole face in the picture"},
	FaceBlurred:      {NotCompared, "hold still, clean the lens and let the camera focus"},
	FaceTooDark:      {NotCompared, "put light on the face"},
	FaceTooBright:    {NotCompared, "turn away from strong light"},
	FaceInconsistent: {NotCompared, "leave out the photo named, or take it again"},

	NetworkMissing:  {Refused, "run make models"},
	NetworkChanged:  {Internal, "remove the file, then run make models"},
	NetworkNotBuilt: {Refused, "run make system, then build with CGO_ENABLED=1"},

	UnknownMethod: {Refused, "check that both sides run compatible versions"},
	PeerFault:     {Unavailable, "look in the other side's log"},
	NotAllowed:    {Refused, "check the caller's role and the allow-list"},
	WrongPeer:     {Tamper, "send nothing; check the address, and that both sides have the current trust bundle"},
	WrongVersion:  {Refused, "upgrade the older side"},
	ClockOff:      {Refused, "set both machines' clocks from a time server"},
	CannotListen:  {Refused, "give a free address of this machine in the configuration's listen section"},

	PeerUnavailable: {Unavailable, "check that the other side runs and can be reached, then try again"},

	WrongStep:     {Refused, "open a new session"},
	PeerSeed:      {Tamper, "stop the channel, keep the evidence: the other party lies"},
	DealerCheated: {Tamper, "stop the channel, keep the dealer's signed list and both seeds: it lies"},
	Tampered:      {Tamper, "stop the channel, keep the evidence, call the security team"},

	UnknownChannel:        {Unavailable, "try again: a new channel is opened after a restart"},
	ChannelStopped:        {Tamper, "look for the alarm that stopped it; restart the role when it is cleared up"},
	ChannelLimit:          {Unavailable, "wait until an idle channel is dropped, or raise the limit"},
	WrongCheck:            {Refused, "use a correlation of the check that the plan names"},
	IndexUsed:             {Refused, "open a new session; it takes new correlations"},
	CorrelationsExhausted: {Unavailable, "try again; if it lasts, look at the dealer, and raise the stock"},

	SlotBusy:       {Unavailable, "wait until the pending orders expire, then send a new one"},
	SessionUsed:    {Refused, "open a new session"},
	UnknownSession: {Refused, "open a new session"},
	UnknownPolicy:  {Refused, "ask the bureau for its policies"},
	Replayed:       {Refused, "make a new one with a new jti"},
	SessionBusy:    {Unavailable, "try again in a moment"},
	SessionGone:    {Unavailable, "make a new request"},
	Overloaded:     {Unavailable, "try again later"},
	RowMismatch:    {Refused, "enrol the citizen again"},
	Usage:          {Refused, "see nod --help, or nod COMMAND --help"},
	NoDeployment:   {Refused, "enrol somebody first, or give the right folder with --data"},

	Cancelled: {Unavailable, "try again"},
}

// Class is the code's class; Internal if it is not in the catalogue.
func (c Code) Class() Class {
	if e, ok := catalogue[c]; ok {
		return e.class
	}
	return Internal
}

// Do is the catalogue's advice, or "".
func (c Code) Do() string { return catalogue[c].do }

// Known reports whether the code is in the catalogue.
func (c Code) Known() bool { _, ok := catalogue[c]; return ok }
