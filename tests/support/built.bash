# Sourced by the `assets` scripts of the Go modules under tests/: what is built from a module, once, into a folder of the
# user's cache. The script goes to its module, names its files and says how to build; `built` prints the folder.
set -euo pipefail
export CGO_ENABLED=0 GOWORK=off

no() { echo "$*" >&2; exit 1; }

# The folder of a module: NAME, FILE... The key covers versions and contents, so that another version is another folder.
place() {
  local sum
  sum=$(cat "${@:2}" | { sha256sum 2>/dev/null || shasum -a 256; })
  cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}
  dir=$cache/runbook-$1-${sum:0:16}
}

# go build of packages into $new.
compile() { nice -n 10 go build -trimpath -buildvcs=false -o "$new/" -ldflags "-s -w ${flags-}" "$@" >&2; }

# Prints the folder: WHAT, HOW LONG, and the script's own arguments. With --build it is made where it is not there, by
# the script's function `build`, which fills $new. Without it the last line on stderr says why, and the exit is 1.
built() {
  if [[ ! -d $dir ]] && ! command -v go >/dev/null; then no "${unset-}Go is not installed to build $1"; fi
  if [[ ! -d $dir && ${3-} == --build ]]; then
    mkdir -p "$cache" || no "cannot write to $cache: set XDG_CACHE_HOME to a folder that can be written"
    new=$(mktemp -d "$dir.building.XXXXXX")
    trap 'rm -rf "$new"' EXIT
    echo "building $1 from Go modules, once (about $2 on two cores) into $dir" >&2
    build || no "building $1 with $(go env GOVERSION) failed, see above"
    chmod 755 "$new"
    # Renamed only when whole. Where another build was first, its folder stays.
    mv -n "$new" "$dir" && rm -rf "$dir/${new##*/}"
  fi
  [[ -d $dir ]] || no "$1 were not built yet: ./test builds them where Go is installed${or-}"
  echo "$dir"
}
