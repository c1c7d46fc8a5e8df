# What a shell and its tools do, without anything that differs from one run to the next: no times, no
# process numbers, nothing about the machine. Run by busybox's sh and by bash, with busybox's tools, on Linux
# and on Bulkhead: the output must be the same, byte for byte (testsuite/scenarios/scripts.py).
# It works in the current folder, which is empty but for this file.

TZ=UTC0 LC_ALL=C
export TZ LC_ALL
umask 022
mkdir work
cd work

section() {
	echo "== $*"
}

section words and expansions
a=one b='two  words' c=
echo $a "$b" "${c:-default}" "${a:+set}" "${#b}"
echo ${b#two} ${b%words} "${b%% *}" "${b##* }"
set -- x 'y z' ''
echo $# "$1" "$2" "<$3>" "$*"
for arg in "$@"; do
	echo "<$arg>"
done
shift 2
echo $#
echo $((3 + 4 * 5)) $(((1 << 10) - 1)) $((17 % 5)) $((-7 / 2)) $((0x1f)) $((5 > 3 ? 10 : 20))
echo "nested $(echo "$(echo "$(echo deep)")")" `echo back`
IFS=:
set -- $(echo a:b:c)
echo "$# $2"
unset IFS
echo ~root | sed 's/.*root.*/home/'

section loops and conditions
i=0
while [ $i -lt 5 ]; do
	i=$((i + 1))
	[ $i -eq 2 ] && continue
	[ $i -eq 4 ] && break
	echo "round $i"
done
until [ $i -ge 8 ]; do i=$((i + 1)); done
echo $i
for n in 1 2 3; do
	for m in a b; do
		printf '%s%s ' $n $m
	done
done
echo
for word in apple banana cherry 42 ''; do
	case $word in
	a*) echo "$word begins with a" ;;
	*an*) echo "$word has an" ;;
	[0-9]*) echo "$word is a number" ;;
	'') echo "empty" ;;
	*) echo "$word is something else" ;;
	esac
done
if test -d . && ! test -e nothing; then echo here; else echo not here; fi
false || echo "false gives $?"
(exit 7)
echo "a subshell gives $?"
! true
echo $?

section functions
fact() {
	if [ $1 -le 1 ]; then
		echo 1
	else
		echo $(($1 * $(fact $(($1 - 1)))))
	fi
}
fact 10
count() {
	local n=0 file
	for file in "$@"; do n=$((n + 1)); done
	return $n
}
n=outer
count a b c d
echo "$? $n"

section here-documents
cat <<END
a is $a, and $((6 * 7)) is $(echo computed)
	a tab stays
END
cat <<-'END'
	no $expansion here
	END
wc -l <<END
1
2
3
END
tr a-z A-Z <<END | sed 's/^/> /'
into a pipe
END

section redirections
echo first >file
echo second >>file
cat file
{ echo to stdout; echo to stderr >&2; } 2>errors
cat errors
{ echo out; echo err >&2; } >both 2>&1
cat both
exec 3>descriptor
echo three >&3
exec 3>&-
cat descriptor
exec 4<file
read -r line <&4
echo "read $line"
read -r line <&4
echo "read $line"
exec 4<&-
echo lost >/dev/null
cat <missing 2>/dev/null || echo "missing: $?"
set -C
(echo no >file) 2>/dev/null || echo "noclobber"
set +C
: >file
wc -c <file

section pipes
seq 1 1000 | grep 7 | sed 's/7/seven/g' | sort -r | head -n 3
seq 1 100 | awk '{ s += $1 } END { print s }'
yes | head -n 100000 | wc -l
echo "b a c b a b" | tr ' ' '\n' | sort | uniq -c | sort -rn | awk '{ print $2 "=" $1 }'
true | false
echo "the last one gives $?"
seq 20000 | (read -r x; read -r y; echo "$x $y"; cat) | tail -n 1
seq 5 | while read -r x; do echo $((x * x)); done | paste -s -d,
cat /dev/zero | dd bs=1000 count=3 iflag=fullblock 2>/dev/null | wc -c

section background jobs
sleep 0 &
wait $!
echo "waited: $?"
(exit 3) &
one=$!
(exit 4) &
two=$!
wait $two
echo "two: $?"
wait $one
echo "one: $?"
for i in 1 2 3 4 5; do
	(sleep 0.0$i; echo $i >done.$i) &
done
wait
cat done.*
sleep 1000 &
sleeper=$!
sleep 0.2 # until it is sleep that runs
ps -o pid,args | grep "^ *$sleeper " | sed "s/$sleeper/PID/; s/^ *//"
kill $sleeper
{ wait $sleeper; } 2>/dev/null
echo "killed: $?"
kill -0 $sleeper 2>/dev/null || echo "it is gone"
sleep 1000 &
{ kill -9 $! && wait $!; } 2>/dev/null
echo "killed: $?"
mkfifo fifo
(echo through a fifo >fifo) &
cat fifo
wait

section traps
trap 'echo "got usr1"' USR1
kill -USR1 $$
echo "after usr1"
trap - USR1
trap '' TERM
kill -TERM $$
echo "term is ignored"
trap - TERM
(trap 'echo "at exit: $?"' EXIT; exit 5)
echo "exit was $?"
(trap 'echo "int"; exit 9' INT; sh -c 'kill -INT $PPID'; sleep 0.1; echo "not reached")
echo $?
{ sh -c 'kill -SEGV $$'; } 2>/dev/null
echo "by a signal: $?"
sh -c 'trap "echo hup; exit 1" HUP; kill -HUP $$; sleep 10'
echo $?

section files
mkdir -p tree/a/b/c tree/d
echo hello >tree/a/one
echo world >tree/a/b/two
printf 'no newline' >tree/a/b/c/three
: >tree/d/empty
ln -s ../one tree/a/b/link
ln tree/a/one tree/d/hard
find tree | sort
find tree -type f -name '*e*' | sort
find tree -type l -exec readlink {} \;
find tree -type f -size -2 | xargs -n 1 basename | sort
cat tree/a/b/link
chmod 640 tree/a/one
chmod u+x,go-r tree/d/empty
stat -c '%A %h %s %n' tree/a/one tree/d/hard tree/d/empty
ls -1 tree tree/a
cp -a tree copy
find copy | sort | sed 's/^copy/tree/' >copy.list
find tree | sort | cmp - copy.list && echo "the copy is complete"
readlink copy/a/b/link
test copy/a/one -ef copy/d/hard && echo "links stay links"
mv copy/a moved
ls copy moved
mv moved/one moved/uno
cat moved/uno
rm -r copy moved
ls -d copy moved 2>/dev/null
rmdir tree 2>/dev/null || echo "not empty"
touch -d '2001-02-03 04:05:06' tree/d/empty
stat -c '%Y' tree/d/empty
date -r tree/d/empty '+%Y-%m-%d %H:%M:%S'
truncate -s 100000 sparse
wc -c <sparse
test -s sparse -a ! -s tree/d/empty && echo sizes
pwd | sed 's/.*\///'
cd tree/a/b
cd ../..
basename "$PWD"
cd ..
mktemp -d ./tmp.XXXXXX | sed 's/\..*/made/; s/^$/made/'
rmdir tmp.*

section text
cat >poem <<END
The bulkhead holds, the water waits,
the pumps are still, the hour is late;
each compartment keeps its own
and none shall drown for one alone.
END
grep -n the poem
grep -c -i the poem
grep -v -e water -e pumps poem
grep -o 'c[a-z]*' poem
sed -n '2,3p' poem
sed -e 's/the/THE/2' -e '/^and/d' -e 'y/h/H/' poem
sed 's/\([a-z]*\) \([a-z]*\)/\2 \1/' poem | head -n 2
awk '{ n += NF; for (i = 1; i <= NF; i++) len[length($i)]++ }
	END { print n; for (i = 1; i < 13; i++) if (i in len) printf "%d:%d ", i, len[i]; print "" }' poem
awk -F, 'BEGIN { OFS = ";" } { print NR, $1 } function f(x) { return x * x } END { print f(12), substr("abcdef", 3, 2) }' poem
awk 'BEGIN { printf "%5.2f|%-6s|%06d|%x\n", 3.14159, "ab", 42, 255; print toupper("x") sprintf("%c", 65), index("abc", "c") }'
sort -k 2 poem
sort -t , -k 1,1 -r poem | cut -c 1-12
printf '10\n9\n100\n1\n' | sort -n | tr '\n' ' '
echo
printf 'a 1\nb 2\nb 2\nc 3\n' | uniq -d
cut -d ' ' -f 2,4 poem
head -c 20 poem
echo
tail -n 2 poem | rev
tac poem | nl
fold -w 20 poem | head -n 3
expand -t 4 <<END
a	b	c
END
wc poem
tr -d 'aeiou' <poem | tr -s ' '
diff poem - <<END
The bulkhead holds, the water waits,
the pumps are running, not too late;
each compartment keeps its own
and none shall drown for one alone.
END
echo "diff: $?"
printf '%s\n' "$(printf 'a\nb\n\n\n')" | od -c
printf '\001\377abc' | hexdump -C
echo 'hello' | base64
dc -e '2 100 ^ p' 2>/dev/null || echo "no dc"
echo '2 ^ 70 + 1' | bc

section archives and sums
seq 1 5000 >numbers
md5sum numbers
sha256sum numbers | cut -c 1-32
cksum() { sha1sum; }
cksum <numbers
gzip -c numbers >numbers.gz
gunzip -c numbers.gz | cmp - numbers && echo "gzip is whole"
gzip -t numbers.gz && echo "tested"
bzip2 -c numbers | bunzip2 -c | md5sum
tar cf all.tar tree/a tree/d numbers
tar tf all.tar | sort
mkdir out
tar xf all.tar -C out
cat out/tree/a/b/two out/tree/d/hard
cmp numbers out/numbers && echo "tar is whole"
tar czf - tree/a | tar tzf - | wc -l
(cd out && find . -type f | sort | cpio -o -H newc 2>/dev/null) >all.cpio
cpio -t <all.cpio 2>/dev/null | head -n 3
rm -r out
dd if=numbers of=part bs=100 skip=2 count=3 2>/dev/null
md5sum <part
dd if=/dev/zero of=zeros bs=1k count=64 2>/dev/null
tr '\0' 'z' <zeros | md5sum
dd if=part of=zeros bs=1 seek=1000 conv=notrunc 2>/dev/null
wc -c <zeros
sed -n '1,2000w piece.a
2001,$w piece.b' numbers
wc -l piece.*

section numbers and dates
date -u -d @1000000000 '+%Y-%m-%d %H:%M:%S %j %a'
date -u -d '2024-02-29 12:34:56' +%s
expr 6 \* 7
expr abcdef : 'abc\(.*\)'
printf '%d %o %s %5s|%-5s|\n' 255 255 text r l
seq -w 8 11 | tr '\n' ' '
echo
factor 1234567
test 010 -eq 10 && echo decimal

section the shell itself
eval 'x=5; echo $x'
set -- -a -b value rest
while getopts ab: opt; do echo "$opt ${OPTARG-}"; done
echo $OPTIND
(set -e; false; echo "not reached")
echo "set -e: $?"
(set -u; echo $undefined_name) 2>/dev/null
echo "set -u fails: $(($? != 0))"
readonly constant=1
(constant=2) 2>/dev/null || echo "readonly"
echo 'echo "sourced $1"' >library
set -- argument
. ./library
type section >/dev/null && echo "a function"
command -v cd
env -i A=1 B=2 env | sort
A=3 sh -c 'echo $A'
echo 'echo "a script: $0 $*"' >script
chmod +x script
sh ./script 1 2
printf '#!/bin/sh\necho "by its first line: $1"\n' >script
./script yes
echo 'exit 42' | sh
echo "status: $?"
./missing 2>/dev/null
echo "not found: $?"
./poem 2>/dev/null
echo "not executable: $?"
alias ll='ls -l' 2>/dev/null
unalias ll && echo alias
ulimit -n 64
ulimit -n
n=0
while [ $n -lt 200 ]; do
	n=$(expr $n + 1)
done
echo "two hundred processes: $n"
cd ..
rm -r work
ls
