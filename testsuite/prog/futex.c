/* cflags: -pthread -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu */
/* Futexes, by the call itself and under the C library's locks. */
#include "testsuite/prog/tap.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>

#define STACK (64 * 1024)
#define LIMIT_SECONDS 20 /* a wake-up that is lost ends the test, not the run */

static i64 futex(void *word, int op, u32 value, const void *timeout, void *other, u32 value3)
{
	return syscall(SYS_futex, word, op, value, timeout, other, value3);
}

static void soon_over(void)
{
	alarm(LIMIT_SECONDS);
}

static pid_t gettid_(void)
{
	return (pid_t)syscall(SYS_gettid);
}

static struct timespec in_ms(clockid_t clock, i64 ms)
{
	struct timespec t;

	clock_gettime(clock, &t);
	t.tv_nsec += ms % 1000 * 1000000;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

/* --- a crew: threads that each make one call, and note what it gave and in which order --- */

struct hand {
	pthread_t thread;
	void *word;
	int op;
	u32 value, bits;
	const struct timespec *timeout;
	volatile pid_t tid;
	volatile i64 result;
	volatile u32 rank;   /* the how manyth to be back, from 1 */
	volatile bool stays; /* for a while after that */
};

static u32 backs;

static void *hand_main(void *arg)
{
	struct hand *h = arg;

	h->tid = gettid_();
	h->result = futex(h->word, h->op, h->value, h->timeout, NULL, h->bits);
	if (h->result < 0)
		h->result = -errno;
	h->rank = __atomic_add_fetch(&backs, 1, __ATOMIC_SEQ_CST);
	while (h->stays)
		sleep_ms(1);
	return NULL;
}

static char task_state(pid_t tid)
{
	char name[48], text[256], *end;
	int fd, n;

	snprintf(name, sizeof(name), "/proc/self/task/%d/stat", (int)tid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : (int)read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = 0;
	end = n > 0 ? strrchr(text, ')') : NULL;
	return end && end[1] ? end[2] : 0;
}

/* hand_start: on return it sleeps in its call. */
static void hand_start(struct hand *h, void *word, int op, u32 value, u32 bits)
{
	h->word = word;
	h->op = op;
	h->value = value;
	h->bits = bits;
	NEED(pthread_create(&h->thread, NULL, hand_main, h) == 0);
	UNTIL(h->tid && task_state(h->tid) == 'S');
}

static void hand_end(struct hand *h)
{
	pthread_join(h->thread, NULL);
}

/* --- waiting --- */

TEST(wait_refused, "[X1] futex: what FUTEX_WAIT refuses")
{
	static u32 word = 5;
	struct timespec past = {1, 0}, bad = {0, 1000000000}, negative = {-1, 0};

	FAILS(futex(&word, FUTEX_WAIT, 4, NULL, NULL, 0), EAGAIN);
	FAILS(futex(&word, FUTEX_WAIT_PRIVATE, 4, NULL, NULL, 0), EAGAIN);
	FAILS(futex((char *)&word + 2, FUTEX_WAIT, 5, NULL, NULL, 0), EINVAL);
	FAILS(futex(&word, FUTEX_WAIT_BITSET, 5, &past, NULL, 0), EINVAL);
	FAILS(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
	FAILS(futex(&word, FUTEX_WAIT, 5, &bad, NULL, 0), EINVAL);
	FAILS(futex(&word, FUTEX_WAIT, 5, &negative, NULL, 0), EINVAL);
	FAILS(futex(&word, FUTEX_WAIT, 5, opaque(8), NULL, 0), EFAULT);
	FAILS(futex(opaque(PAGE), FUTEX_WAIT_PRIVATE, 5, NULL, NULL, 0), EFAULT);
	FAILS(futex(&word, FUTEX_WAIT | FUTEX_CLOCK_REALTIME, 5, &past, NULL, 0), ENOSYS);
	FAILS(futex(&word, 77, 5, NULL, NULL, 0), ENOSYS);
	FAILS(futex(&word, FUTEX_FD, 5, NULL, NULL, 0), ENOSYS);
	IS(futex(opaque(PAGE), FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0);
	FAILS(futex(opaque(PAGE), FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	FAILS(futex(opaque(0xffffffff80000000), FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), EFAULT);
}

TEST(wait_timeouts,
     "[X1] futex: timeouts, a duration for FUTEX_WAIT, a moment of either clock for the others")
{
	static u32 word;
	struct timespec t = {0, 30000000};
	u64 start = now_ns();

	FAILS(futex(&word, FUTEX_WAIT, 0, &t, NULL, 0), ETIMEDOUT);
	CHECK(now_ns() - start >= 30000000);
	start = now_ns();
	t = in_ms(CLOCK_MONOTONIC, 30);
	FAILS(futex(&word, FUTEX_WAIT_BITSET, 0, &t, NULL, ~0U), ETIMEDOUT);
	CHECK(now_ns() - start >= 29000000);
	start = now_ns();
	t = in_ms(CLOCK_REALTIME, 30);
	FAILS(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, NULL, ~0U), ETIMEDOUT);
	CHECK(now_ns() - start >= 29000000 && now_ns() - start < 10000000000);
	t = (struct timespec){1, 0};
	FAILS(futex(&word, FUTEX_WAIT_BITSET, 0, &t, NULL, ~0U), ETIMEDOUT);
	FAILS(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &t, NULL, ~0U), ETIMEDOUT);
}

static u32 handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

TEST(wait_interrupted, "[X1] futex: a handler ends a wait, with SA_RESTART only one with a timeout")
{
	static u32 word;
	struct timespec t = {10, 0};

	for (u32 round = 0; round < 4; round++) {
		struct sigaction act = {.sa_handler = on_signal, .sa_flags = round & 1 ? SA_RESTART : 0};
		bool timed = round & 2, restarts = round == 1;

		sigaction(SIGUSR1, &act, NULL);
		pid_t waiter = getpid(), child = SPAWN({
			                         wait_asleep(waiter);
			                         kill(waiter, SIGUSR1);
			                         if (restarts) {
				                         wait_asleep(waiter);
				                         kill(waiter, SIGUSR1);
				                         act.sa_handler = SIG_DFL;
				                         wait_asleep(waiter);
			                         }
			                         kill(waiter, SIGUSR2);
		                         });
		struct sigaction other = {.sa_handler = on_signal};
		sigaction(SIGUSR2, &other, NULL);
		handled = 0;
		FAILS(futex(&word, FUTEX_WAIT, 0, timed ? &t : NULL, NULL, 0), EINTR);
		UNTIL(handled == (restarts ? 3 : 2));
		IS(wait_status(child), 0);
	}
}

TEST(wait_stopped, "[X1] futex: a stop and a continuation do not make a wait longer")
{
	u32 *word = shared_pages(1);
	u64 start = now_ns();
	pid_t pid = SPAWN({
		struct timespec t = {0, 300000000};

		FAILS(futex(word, FUTEX_WAIT, 0, &t, NULL, 0), ETIMEDOUT);
	});

	wait_asleep(pid);
	kill(pid, SIGSTOP);
	UNTIL(process_state(pid) == 'T');
	kill(pid, SIGCONT);
	IS(wait_status(pid), 0);
	CHECK(now_ns() - start < 5000000000);
}

/* --- waking --- */

TEST(wake_order, "[X1] futex: sleepers are woken in the order in which they came, as many as were asked for")
{
	static u32 word;
	struct hand h[6] = {0};

	soon_over();
	for (u32 i = 0; i < 6; i++)
		hand_start(&h[i], &word, FUTEX_WAIT_PRIVATE, 0, 0);
	IS(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
	hand_end(&h[0]);
	IS(futex(&word, FUTEX_WAKE_PRIVATE, 0, NULL, NULL, 0), 1); /* one at least */
	hand_end(&h[1]);
	IS(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0), 2);
	hand_end(&h[2]);
	hand_end(&h[3]);
	IS(backs, 4);
	IS(futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 2);
	hand_end(&h[4]);
	hand_end(&h[5]);
	IS(futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 0);
	for (u32 i = 0; i < 6; i++)
		IS(h[i].result, 0);
}

TEST(wake_bits, "[X1] futex: only sleepers with a common bit are woken")
{
	static u32 word;
	struct hand h[3] = {0};

	soon_over();
	for (u32 i = 0; i < 3; i++)
		hand_start(&h[i], &word, FUTEX_WAIT_BITSET_PRIVATE, 0, 1U << i);
	IS(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 100, NULL, NULL, 8), 0);
	IS(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 100, NULL, NULL, 2), 1);
	hand_end(&h[1]);
	IS(futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 2);
	hand_end(&h[0]);
	hand_end(&h[2]);
}

TEST(shared_words,
     "[X1] futex: a shared word is one for all who map it, wherever; a private one is each one's own")
{
	u32 *word = shared_pages(1);
	static u32 mine;
	pid_t pid;

	soon_over();
	pid = SPAWN({
		u32 *again = mremap(word, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, shared_pages(1));

		OK(futex(again + 3, FUTEX_WAIT, 0, NULL, NULL, 0));
	});
	wait_asleep(pid);
	IS(futex(word + 2, FUTEX_WAKE, 9, NULL, NULL, 0), 0);
	IS(futex(word + 3, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 0);
	IS(futex(word + 3, FUTEX_WAKE, 9, NULL, NULL, 0), 1);
	IS(wait_status(pid), 0);
	for (u32 private = 0; private < 2; private ++) {
		int flag = private ? FUTEX_PRIVATE_FLAG : 0;
		struct hand h = {0};

		pid = SPAWN(futex(&mine, FUTEX_WAIT | flag, 0, NULL, NULL, 0)); /* its own copy of the word */
		wait_asleep(pid);
		IS(futex(&mine, FUTEX_WAKE | flag, 9, NULL, NULL, 0), 0);
		kill(pid, SIGKILL);
		IS(wait_status(pid), SIGKILL);
		hand_start(&h, &mine, FUTEX_WAIT | flag, 0, 0);
		IS(futex(&mine, FUTEX_WAKE | (flag ^ FUTEX_PRIVATE_FLAG), 9, NULL, NULL, 0), 0);
		IS(futex(&mine, FUTEX_WAKE | flag, 9, NULL, NULL, 0), 1);
		hand_end(&h);
	}
}

static u32 turn;

static void *turns(void *arg)
{
	u32 me = arg != NULL;

	for (u32 i = 0; i < 5000; i++) {
		u32 now;

		while ((now = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) % 2 != me)
			futex(&turn, FUTEX_WAIT_PRIVATE, now, NULL, NULL, 0);
		__atomic_add_fetch(&turn, 1, __ATOMIC_SEQ_CST);
		futex(&turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	}
	return NULL;
}

TEST(turns_taken, "[X1] futex: no wake-up is lost in ten thousand turns")
{
	pthread_t other;

	soon_over();
	NEED(pthread_create(&other, NULL, turns, &turn) == 0);
	turns(NULL);
	pthread_join(other, NULL);
	IS(turn, 10000);
}

/* --- moving sleepers --- */

TEST(requeue, "[X1] futex: FUTEX_CMP_REQUEUE wakes some and moves the others to any other word")
{
	static u32 words[1024];
	struct timespec t = {0, 50000000};

	soon_over();
	for (u32 to = 1; to < 1024; to += 93) { /* words of many buckets */
		struct hand h[4] = {0};

		for (u32 i = 0; i < 4; i++)
			hand_start(&h[i], &words[0], FUTEX_WAIT_PRIVATE, 0, 0);
		IS(futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &words[to], 0), 3);
		hand_end(&h[0]);
		IS(futex(&words[0], FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 1); /* the one that was left */
		hand_end(&h[3]);
		IS(futex(&words[to], FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 2);
		hand_end(&h[1]);
		hand_end(&h[2]);
		for (u32 i = 0; i < 4; i++)
			IS(h[i].result, 0);
	}
	struct hand late = {.timeout = &t};
	hand_start(&late, &words[0], FUTEX_WAIT_PRIVATE, 0, 0);
	IS(futex(&words[0], FUTEX_REQUEUE_PRIVATE, 0, (void *)9, &words[500], 0), 1);
	hand_end(&late);
	IS(late.result, -ETIMEDOUT); /* from where it was moved to */
	IS(futex(&words[500], FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 0);
	FAILS(futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)1, &words[1], 7), EAGAIN);
	FAILS(futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, -1, (void *)1, &words[1], 0), EINVAL);
	FAILS(futex(&words[0], FUTEX_REQUEUE_PRIVATE, 1, (void *)-1, &words[1], 0), EINVAL);
	FAILS(futex(&words[0], FUTEX_CMP_REQUEUE, 1, (void *)1, opaque(PAGE), 0), EFAULT);
}

/* --- FUTEX_WAKE_OP --- */

TEST(wake_op, "[X1] futex: FUTEX_WAKE_OP: each operation, each comparison")
{
	static u32 a, b;
	static const struct {
		u32 op, arg, before, after;
	} ops[] = {{FUTEX_OP_SET, 7, 1, 7},
	           {FUTEX_OP_ADD, 5, 10, 15},
	           {FUTEX_OP_ADD, 0xfff, 10, 9}, /* -1 */
	           {FUTEX_OP_OR, 6, 9, 15},
	           {FUTEX_OP_ANDN, 6, 15, 9},
	           {FUTEX_OP_XOR, 5, 6, 3},
	           {FUTEX_OP_SET | FUTEX_OP_OPARG_SHIFT, 9, 0, 512},
	           {FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT, 31, 1, 0x80000001}};
	static const struct {
		u32 cmp, arg, word;
		bool holds;
	} cmps[] = {{FUTEX_OP_CMP_EQ, 5, 5, true},  {FUTEX_OP_CMP_EQ, 5, 6, false},
	            {FUTEX_OP_CMP_NE, 5, 6, true},  {FUTEX_OP_CMP_NE, 5, 5, false},
	            {FUTEX_OP_CMP_LT, 5, -1, true}, {FUTEX_OP_CMP_LT, 5, 5, false},
	            {FUTEX_OP_CMP_LE, 5, 5, true},  {FUTEX_OP_CMP_LE, 0xfff, 0, false},
	            {FUTEX_OP_CMP_GT, 5, 6, true},  {FUTEX_OP_CMP_GT, 5, 5, false},
	            {FUTEX_OP_CMP_GE, 5, 5, true},  {FUTEX_OP_CMP_GE, 5, 4, false}};

	soon_over();
	for (u32 i = 0; i < ARRAY_SIZE(ops); i++) {
		b = ops[i].before;
		IS(futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &b, FUTEX_OP(ops[i].op, ops[i].arg, 0, 0)),
		   0);
		IS(b, ops[i].after);
	}
	for (u32 i = 0; i < ARRAY_SIZE(cmps); i++) {
		struct hand ha = {0}, hb = {0};
		u32 op = FUTEX_OP(FUTEX_OP_SET, 3, cmps[i].cmp, cmps[i].arg);

		a = 0;
		b = cmps[i].word;
		hand_start(&ha, &a, FUTEX_WAIT_PRIVATE, 0, 0);
		hand_start(&hb, &b, FUTEX_WAIT_PRIVATE, cmps[i].word, 0);
		IS(futex(&a, FUTEX_WAKE_OP_PRIVATE, 9, (void *)9, &b, op), 1 + cmps[i].holds);
		IS(futex(&b, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), !cmps[i].holds);
		IS(b, 3);
		hand_end(&ha);
		hand_end(&hb);
	}
	FAILS(futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &b, FUTEX_OP(5, 0, 0, 0)), ENOSYS);
	FAILS(futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &b, FUTEX_OP(0, 0, 6, 0)), ENOSYS);
	FAILS(futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, opaque(PAGE), 0), EFAULT);
}

/* --- several words at once --- */

static void *waitv_main(void *arg)
{
	struct hand *h = arg;

	h->tid = gettid_();
	h->result = syscall(449, h->word, h->value, 0, NULL, 0);
	return NULL;
}

TEST(waitv, "[X1] futex: futex_waitv sleeps on many words and tells which was woken")
{
	static u32 words[FUTEX_WAITV_MAX];
	struct futex_waitv v[FUTEX_WAITV_MAX] = {0};
	struct timespec t = in_ms(CLOCK_MONOTONIC, 30);

	soon_over();
	for (u32 i = 0; i < FUTEX_WAITV_MAX; i++)
		v[i] = (struct futex_waitv){.uaddr = (u64)&words[i], .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG};
	for (u32 i = 0; i < FUTEX_WAITV_MAX; i += 31) {
		struct hand h = {.word = v, .value = FUTEX_WAITV_MAX};

		NEED(pthread_create(&h.thread, NULL, waitv_main, &h) == 0);
		UNTIL(h.tid && task_state(h.tid) == 'S');
		IS(futex(&words[i], FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 1);
		hand_end(&h);
		IS(h.result, i);
		for (u32 k = 0; k < FUTEX_WAITV_MAX; k++)
			IS(futex(&words[k], FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 0);
	}
	FAILS(syscall(449, v, 2, 0, &t, CLOCK_MONOTONIC), ETIMEDOUT);
	FAILS(syscall(449, v, 2, 0, &t, CLOCK_BOOTTIME), EINVAL);
	FAILS(syscall(449, v, 0, 0, NULL, 0), EINVAL);
	FAILS(syscall(449, v, FUTEX_WAITV_MAX + 1, 0, NULL, 0), EINVAL);
	FAILS(syscall(449, v, 2, 1, NULL, 0), EINVAL);
	words[1] = 1;
	FAILS(syscall(449, v, 2, 0, NULL, 0), EAGAIN);
	v[1].__reserved = 1;
	FAILS(syscall(449, v, 2, 0, NULL, 0), EINVAL);
	v[1] = (struct futex_waitv){.uaddr = PAGE, .flags = FUTEX_32};
	FAILS(syscall(449, v, 2, 0, NULL, 0), EFAULT);
	v[1].flags = 0x1000;
	FAILS(syscall(449, v, 2, 0, NULL, 0), EINVAL);
}

/* --- locks with an owner --- */

TEST(lock_alone, "[X1] futex: a lock with an owner holds its number; EDEADLK, EPERM, EAGAIN, ESRCH")
{
	static u32 word;
	struct hand h = {0};

	soon_over();
	OK(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	IS(word, gettid_());
	FAILS(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), EDEADLK);
	FAILS(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EDEADLK);
	h = (struct hand){.word = &word, .op = FUTEX_TRYLOCK_PI_PRIVATE};
	NEED(pthread_create(&h.thread, NULL, hand_main, &h) == 0);
	hand_end(&h);
	IS(h.result, -EAGAIN);
	h = (struct hand){.word = &word, .op = FUTEX_UNLOCK_PI_PRIVATE};
	NEED(pthread_create(&h.thread, NULL, hand_main, &h) == 0);
	hand_end(&h);
	IS(h.result, -EPERM);
	OK(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	IS(word, 0);
	FAILS(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EPERM);
	OK(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	IS(word, gettid_());
	pid_t gone = SPAWN();
	wait_status(gone);
	word = gone;
	FAILS(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), ESRCH);
	word = FUTEX_OWNER_DIED;
	OK(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	IS(word, gettid_() | FUTEX_OWNER_DIED);
	FAILS(futex(opaque(PAGE), FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), EFAULT);
	FAILS(futex(opaque(PAGE), FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0), EFAULT);
	FAILS(futex((char *)&word + 1, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0), EINVAL);
}

TEST(lock_handed_over, "[X1] futex: a lock with an owner is handed to who has waited longest")
{
	static u32 word;
	struct hand h[3] = {0};

	soon_over();
	OK(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	h[0].stays = true;
	for (u32 i = 0; i < 3; i++)
		hand_start(&h[i], &word, FUTEX_LOCK_PI_PRIVATE, 0, 0);
	IS(word, gettid_() | FUTEX_WAITERS);
	OK(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	IS(word & FUTEX_TID_MASK, h[0].tid);
	CHECK(word & FUTEX_WAITERS);
	h[0].stays = false;
	/* They end without giving it back: who comes next learns of it. */
	for (u32 i = 0; i < 3; i++) {
		hand_end(&h[i]);
		IS(h[i].result, 0);
		IS(h[i].rank, i + 1);
	}
	CHECK(word & FUTEX_OWNER_DIED);
}

TEST(lock_timeouts, "[X1] futex: locks with an owner: moments of either clock, and no EINTR")
{
	static u32 word;
	struct timespec real = in_ms(CLOCK_REALTIME, 40), mono = in_ms(CLOCK_MONOTONIC, 40);
	struct sigaction act = {.sa_handler = on_signal};
	struct hand h[3] = {{.timeout = &real}, {.timeout = &mono}, {0}};

	soon_over();
	sigaction(SIGUSR1, &act, NULL);
	OK(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	h[0].op = FUTEX_LOCK_PI_PRIVATE;
	h[1].op = FUTEX_LOCK_PI2_PRIVATE;
	for (u32 i = 0; i < 2; i++) {
		h[i].word = &word;
		NEED(pthread_create(&h[i].thread, NULL, hand_main, &h[i]) == 0);
		hand_end(&h[i]);
		IS(h[i].result, -ETIMEDOUT);
	}
	hand_start(&h[2], &word, FUTEX_LOCK_PI_PRIVATE, 0, 0);
	pthread_kill(h[2].thread, SIGUSR1);
	UNTIL(handled == 1 && task_state(h[2].tid) == 'S');
	OK(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	hand_end(&h[2]);
	IS(h[2].result, 0);
}

static u32 lock_word;
static volatile u64 counter;

static void *count_up(void *arg)
{
	u32 me = gettid_();

	(void)arg;
	for (u32 i = 0; i < 2000; i++) {
		u32 free = 0, mine = me;

		if (!__atomic_compare_exchange_n(&lock_word, &free, me, false, __ATOMIC_SEQ_CST,
		                                 __ATOMIC_SEQ_CST))
			OK(futex(&lock_word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
		u64 seen = counter;
		if (i % 16 == 0)
			sched_yield();
		counter = seen + 1;
		if (!__atomic_compare_exchange_n(&lock_word, &mine, 0, false, __ATOMIC_SEQ_CST,
		                                 __ATOMIC_SEQ_CST))
			OK(futex(&lock_word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	}
	return NULL;
}

TEST(lock_counts, "[X1] futex: four threads count under a lock with an owner, and none gets lost")
{
	pthread_t t[4];

	soon_over();
	for (u32 i = 0; i < 4; i++)
		NEED(pthread_create(&t[i], NULL, count_up, NULL) == 0);
	for (u32 i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	IS(counter, 8000);
	IS(lock_word & FUTEX_TID_MASK, 0);
}

/* --- owners that end --- */

struct robust_node {
	struct robust_list link;
	u32 word;
};

static struct robust_list_head robust_head(struct robust_node *first)
{
	return (struct robust_list_head){.list = {&first->link},
	                                 .futex_offset = offsetof(struct robust_node, word)};
}

struct robust_page {
	struct robust_list_head head;
	struct robust_node node[3];
	u32 ready;
};

static struct robust_page *robust_page(void)
{
	struct robust_page *p = shared_pages(1);

	p->head = robust_head(&p->node[0]);
	p->node[0].link.next = &p->node[1].link;
	p->node[1].link.next = &p->node[2].link;
	p->node[2].link.next = &p->head.list;
	return p;
}

static void robust_set(struct robust_page *p)
{
	OK(syscall(SYS_set_robust_list, &p->head, sizeof(p->head)));
}

TEST(robust_marked,
     "[X1] futex: the locks on the robust list of who ends are marked, by an exit and by a kill")
{
	for (u32 how = 0; how < 3; how++) {
		struct robust_page *p = robust_page();
		pid_t pid = SPAWN({
			robust_set(p);
			p->node[0].word = gettid_();
			p->node[1].word = gettid_() | FUTEX_WAITERS;
			p->node[2].word = getppid();
			p->ready = 1;
			if (how == 0)
				_exit(0);
			if (how == 1)
				__builtin_trap();
			pause();
		});

		UNTIL(p->ready);
		if (how == 2)
			kill(pid, SIGKILL);
		wait_status(pid);
		IS(p->node[0].word, FUTEX_OWNER_DIED);
		IS(p->node[1].word, FUTEX_OWNER_DIED | FUTEX_WAITERS);
		IS(p->node[2].word, getpid()); /* another's */
	}
}

TEST(robust_wakes, "[X1] futex: the end of who has a robust lock wakes one that waits for it")
{
	struct robust_page *p = robust_page();
	pid_t owner, waiter;

	soon_over();
	owner = SPAWN({
		robust_set(p);
		p->node[1].word = gettid_() | FUTEX_WAITERS;
		p->ready = 1;
		pause();
	});
	UNTIL(p->ready);
	waiter = SPAWN({
		OK(futex(&p->node[1].word, FUTEX_WAIT, owner | FUTEX_WAITERS, NULL, NULL, 0));
		IS(p->node[1].word, FUTEX_OWNER_DIED | FUTEX_WAITERS);
	});
	wait_asleep(waiter);
	kill(owner, SIGKILL);
	IS(wait_status(waiter), 0);
	IS(wait_status(owner), SIGKILL);
}

TEST(robust_pending, "[X1] futex: a robust lock that was just being taken or given back is seen to, too")
{
	struct robust_page *p = robust_page();
	pid_t owner, waiter;

	soon_over();
	p->head.list.next = &p->head.list;
	p->head.list_op_pending = &p->node[2].link;
	IS(CHILD({
		   robust_set(p);
		   p->node[2].word = gettid_();
	   }),
	   0);
	IS(p->node[2].word, FUTEX_OWNER_DIED);
	/* Given back already, but nobody was woken yet. */
	p->node[2].word = 1;
	owner = SPAWN({
		robust_set(p);
		pause();
	});
	wait_asleep(owner);
	waiter = SPAWN(OK(futex(&p->node[2].word, FUTEX_WAIT, 1, NULL, NULL, 0)));
	wait_asleep(waiter);
	p->node[2].word = 0;
	kill(owner, SIGKILL);
	IS(wait_status(waiter), 0);
	IS(wait_status(owner), SIGKILL);
	IS(p->node[2].word, 0);
}

TEST(robust_hostile, "[X5] futex: a robust list may be anything")
{
	static const u64 places[] = {1,
	                             8,
	                             PAGE,
	                             0x7fffffffeff8,
	                             0x7ffffffffffc,
	                             0x800000000000,
	                             0xffff800000000000,
	                             0xffffffff80000000,
	                             0xfffffffffffffff8,
	                             ~0UL};
	u8 *hole = pages(2, PROT_READ | PROT_WRITE);

	OK(mprotect(hole + PAGE, PAGE, PROT_NONE));
	soon_over();
	for (u32 i = 0; i < ARRAY_SIZE(places); i++) {
		struct robust_page *p = robust_page();
		void *bad = opaque(places[i]);

		IS(CHILD(OK(syscall(SYS_set_robust_list, bad, 24))), 0);
		p->head.list.next = bad;
		IS(CHILD(robust_set(p)), 0);
		p->head.list.next = &p->node[0].link;
		p->node[0].link.next = bad;
		IS(CHILD(robust_set(p); p->node[0].word = gettid_()), 0);
		IS(p->node[0].word, FUTEX_OWNER_DIED); /* before the list ended nowhere */
		p->node[0].link.next = &p->head.list;
		p->head.list_op_pending = bad;
		IS(CHILD(robust_set(p)), 0);
		p->head.futex_offset = (long)places[i];
		IS(CHILD(robust_set(p)), 0);
	}
	IS(CHILD({
		   struct robust_list_head *across = (void *)(hole + PAGE - 8);

		   across->list.next = &across->list;
		   OK(syscall(SYS_set_robust_list, across, 24));
	   }),
	   0);
	struct robust_page *p = robust_page(); /* a list without an end */
	p->node[2].link.next = &p->node[0].link;
	IS(CHILD(robust_set(p); p->node[1].word = gettid_()), 0);
	IS(p->node[1].word, FUTEX_OWNER_DIED);
	OK(mprotect(p, PAGE, PROT_READ));
	IS(CHILD(robust_set(p)), 0);
	FAILS(syscall(SYS_set_robust_list, p, 23), EINVAL);
}

TEST(robust_of_task, "[X1] futex: get_robust_list tells what was set")
{
	struct robust_page *p = robust_page();
	void *head = NULL;
	size_t size = 0;

	robust_set(p);
	OK(syscall(SYS_get_robust_list, 0, &head, &size));
	CHECK(head == &p->head);
	IS(size, sizeof(p->head));
	head = NULL;
	OK(syscall(SYS_get_robust_list, gettid_(), &head, &size));
	CHECK(head == &p->head);
	IS(CHILD({
		   OK(syscall(SYS_get_robust_list, 0, &head, &size)); /* not inherited */
		   CHECK(head != &p->head);
	   }),
	   0);
	FAILS(syscall(SYS_get_robust_list, 0x7ffffff, &head, &size), ESRCH);
	FAILS(syscall(SYS_get_robust_list, 0, opaque(8), &size), EFAULT);
	OK(syscall(SYS_set_robust_list, NULL, 24));
}

static pthread_mutex_t *mutex_make(int robust, int protocol)
{
	pthread_mutex_t *m = shared_pages(1);
	pthread_mutexattr_t attr;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attr, robust);
	NEED(pthread_mutexattr_setprotocol(&attr, protocol) == 0);
	NEED(pthread_mutex_init(m, &attr) == 0);
	return m;
}

TEST(robust_mutex,
     "[X1] futex: the C library's robust mutexes: EOWNERDEAD to the next, with and without an owner's word")
{
	static const int protocols[] = {PTHREAD_PRIO_NONE, PTHREAD_PRIO_INHERIT};

	soon_over();
	for (u32 i = 0; i < 2; i++) {
		pthread_mutex_t *m = mutex_make(PTHREAD_MUTEX_ROBUST, protocols[i]);
		u32 *locked = shared_pages(1);
		pid_t owner = SPAWN({
			pthread_mutex_lock(m);
			*locked = 1;
			pause();
		});

		UNTIL(*locked);
		pid_t waiter = SPAWN({
			IS(pthread_mutex_lock(m), EOWNERDEAD);
			IS(pthread_mutex_consistent(m), 0);
			IS(pthread_mutex_unlock(m), 0);
		});
		wait_asleep(waiter);
		kill(owner, SIGKILL);
		IS(wait_status(waiter), 0);
		IS(wait_status(owner), SIGKILL);
		IS(pthread_mutex_lock(m), 0);
		IS(pthread_mutex_unlock(m), 0);
	}
}

/* --- exec --- */

static u32 tid_word;
static struct robust_page *exec_page;

int role_main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	sleep_ms(300);
	return 0;
}

static int exec_child(void *arg)
{
	char *argv[] = {"futex", "@nothing", NULL};

	(void)arg;
	robust_set(exec_page);
	exec_page->node[0].word = gettid_();
	execv("/proc/self/exe", argv);
	_exit(99);
}

TEST(exec_clears, "[P9] exec clears and wakes the word of set_tid_address, and gives up the robust locks")
{
	u8 *stack = pages(STACK / PAGE, PROT_READ | PROT_WRITE);
	int status;

	soon_over();
	exec_page = robust_page();
	tid_word = 1;
	u64 start = now_ns();
	pid_t pid = clone(exec_child, stack + STACK, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL,
	                  NULL, &tid_word);
	NEED(pid > 0);
	while (__atomic_load_n(&tid_word, __ATOMIC_SEQ_CST))
		futex(&tid_word, FUTEX_WAIT, 1, NULL, NULL, 0);
	IS(exec_page->node[0].word, FUTEX_OWNER_DIED);
	IS(waitpid(pid, &status, WNOHANG), 0); /* it runs on */
	IS(wait_status(pid), 0);
	CHECK(now_ns() - start < 10000000000);
}
