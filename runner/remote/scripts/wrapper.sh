# wrapper: runs the script of the step in $1 and keeps its result. Its process and start time say that it runs; the
# kernel gives a process id to another one day, but not with the same start.
dir=$1
cd /
stat=$(cat "/proc/$$/stat" 2>/dev/null)
stat=${stat##*)}
echo "$$ $(echo "$stat" | cut -d ' ' -f 21)" >"$dir/pid.tmp" && mv "$dir/pid.tmp" "$dir/pid"
sh "$dir/script" >"$dir/output" 2>&1 </dev/null
echo $? >"$dir/rc.tmp" && { sync "$dir/rc.tmp" 2>/dev/null || sync; } && mv "$dir/rc.tmp" "$dir/rc"
