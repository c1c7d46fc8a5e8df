# What Debian's own tools make of it must be the same bytes here as on Linux. No /proc, no /dev but null.
export LC_ALL=C TZ=UTC
work=$(mktemp -d /tmp/debian.XXXXXX) && cd "$work" || exit 1
say() { printf '== %s\n' "$*"; }

say text
seq 1 2000 >numbers
awk '{ print $1 * 7919 % 2003, "line", NR }' numbers >table
sort -n table | head -5
sort -k3,3nr -k1,1 table | tail -3
sort --parallel=2 -S 64K -R --random-source=numbers table | wc -lc
cut -d' ' -f1 table | sort -n | uniq -c | sort -rn | head -3
paste -d: numbers <(tac numbers) | sed -n '1p;1000p;$p'
join <(sort numbers) <(awk '{ print $1, $1 ^ 2 }' numbers | sort) | tail -2
tr a-z A-Z <table | head -2
fold -w 7 <<<'the quick brown fox jumps over the lazy dog'
nl -ba table | sed -n '7p'
head -c 100 table | od -An -tx1 | tail -2
comm -12 <(seq 1 3 20 | sort) <(seq 1 5 20 | sort)
expand -t 4 <<<$'a\tb'; unexpand -a <<<'        x'
fmt -w 30 <<<'a paragraph that is to be filled again to another width by the tool for it'
split -l 700 -d numbers part. && wc -l part.*
csplit -sz numbers 500 '/1500/' && wc -l xx*
shuf --random-source=numbers -n 3 numbers
tsort <<<'a b b c a c'
printf '%s\n' 3.5K 2M | numfmt --from=iec
ptx -A <<<'some words here' | head -3

say sums
sha256sum numbers; md5sum numbers; b2sum table | cut -c1-32; cksum numbers; sum numbers
base64 numbers | tail -1; base32 <<<bulkhead

say files
mkdir -p a/b/c && touch -d @1000000000 a/file && ln -s file a/link && ln a/file a/hard
stat -c '%n %s %F %h %Y %a' a/file; stat -c "%n %F %h" a/link a/b; stat -c %a a/link
ls -lA --time-style=+%s -g -o a | sed 's/^total.*//' | awk '{ print $1, $2, $NF }'
cp -a a d && diff -r a d && echo same
chmod 640 a/file && stat -c %a a/hard
mv d/b e && find . -type d | sort
truncate -s 1M hole && stat -c '%s' hole && du --apparent-size -b hole | cut -f1
dd if=numbers of=copy bs=100 skip=2 count=3 2>/dev/null && wc -c <copy
install -m 711 -d installed && stat -c %a installed
mkfifo pipe && (cat pipe | wc -c & cat numbers >pipe; wait)
rm -r a e && ls
realpath ./x/../numbers | sed "s,$work,W,"; readlink -f numbers | sed "s,$work,W,"
touch -d '2001-02-03 04:05:06' dated && date -r dated +%FT%T
comm <(ls) <(find . -maxdepth 1 -mindepth 1 -printf '%f\n' | sort) | wc -l
tee one two <<<both | cat - one two

say find and xargs
for n in $(seq 30); do echo "$n" >"f$n"; done
find . -name 'f*' -size -2 -newer dated | wc -l
find . -name 'f1*' -print0 | sort -z | xargs -0 -n 3 cat | paste -sd,
find . -name 'f2?' -exec cat {} + | sort -n | paste -sd,
seq 20 | xargs -P 4 -n 1 sh -c 'echo $(($0 * 2))' | sort -n | paste -sd+ | xargs -I{} bash -c 'echo $(({}))'

say grep and sed
grep -c '^1' numbers; grep -nE '^(7|77|777)$' numbers; grep -vcF 9 numbers; grep -oP '\d(?=99$)' numbers | sort | uniq -c
grep -rl '^17$' . | sort; echo 'no such' | grep -q such; echo $?
sed -E 's/([0-9])([0-9])/\2\1/g;5q' numbers | paste -sd' '
sed -n '/^99$/,/^103$/{=;p}' numbers | paste -sd' '
sed -i.bak '1,1990d' numbers && cat numbers | paste -sd' ' && wc -l <numbers.bak

say gawk
gawk 'BEGIN { x["a"] = 1; x["b"] = 2; n = asorti(x, y); for (i = 1; i <= n; i++) printf "%s=%d ", y[i], x[y[i]]; print strftime("%Y", 0, 1) }'
gawk '{ s += $1 } END { printf "%d %.3f\n", s, s / NR }' numbers.bak
gawk 'BEGIN { "echo from a shell" | getline line; print line; print "sorted" | "cat"; close("cat"); print length(sprintf("%c", 955)) }'

say perl
perl -e 'my %h = map { $_ => $_ ** 2 } 1 .. 10; print join(",", map { "$_:$h{$_}" } sort { $a <=> $b } keys %h), "\n"'
perl -ne '$s += $_ if /7/; END { print "$s\n" }' numbers.bak
perl -e 'pipe(R, W); if (!fork) { print W "child $$\n" =~ s/\d+/n/r; exit 3 } close W; print <R>; wait; print $? >> 8, "\n"'
perl -e 'local $SIG{ALRM} = sub { print "alarm\n"; exit 0 }; alarm 1; select undef, undef, undef, 5'
perl -e 'open F, ">", "x"; seek F, 1 << 20, 0; print F "end"; close F; print -s "x", "\n"; unlink "x" or die; print -e "x" ? "there" : "gone", "\n"'

say shell
(trap 'echo trapped' USR1; kill -USR1 $BASHPID; echo after)
pids=; for i in 1 2 3; do (exit $i) & pids="$pids $!"; done; for p in $pids; do wait "$p"; echo $?; done
timeout 1 sleep 5; echo $?
nice -n 5 nice; env -i A=1 env; printenv PATH >/dev/null && echo path
nohup true 2>/dev/null; echo $?; (ulimit -n 20; ulimit -n); umask 077; touch m && stat -c %a m
test -x "$(command -v ls)" && expr 6 \* 7; factor 1234567890; yes | head -3 | paste -sd' '
stdbuf -oL echo buffered; sleep 0.1; id -u; id -G; uname -s; tty; pathchk -p good; echo $?
date -u -d @1700000000 +%FT%TZ; date -d '2024-02-29 +1 year' +%F; echo done
cd / && rm -rf "$work"
