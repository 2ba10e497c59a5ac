# keep RUN PORT DIR: runs an engine until nobody has locked DIR/users for a minute.
# Its data are in DIR/PORT; DIR/url goes with it, DIR/PORT.ended tells that it is gone.
run=$1 port=$2 dir=$3
"$run" "$port" "$dir/$port" &
engine=$!
exec 8>>"$dir/users"
idle=0
while kill -0 "$engine" 2>/dev/null && [ "$idle" -lt 60 ]; do
  sleep 1
  if flock -n -x 8; then
    idle=$((idle + 1))
    [ "$idle" -ge 60 ] || flock -u 8 # the last time it stays locked: whoever comes waits for the end
  else
    idle=0
  fi
done
kill "$engine" 2>/dev/null
wait "$engine"
[ "$(cat "$dir/url" 2>/dev/null)" != "http://127.0.0.1:$port" ] || rm -f "$dir/url"
rm -rf "${dir:?}/$port"
touch "$dir/$port.ended"
