/* cflags: -pthread */
/* System V shared memory, semaphores and message queues. */
#include "testsuite/prog/tap.h"

#include <pthread.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

static void on_signal(int sig)
{
	(void)sig;
}

static void handle(int sig)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	OK(sigaction(sig, &sa, NULL));
}

static key_t a_key(int n)
{
	return 0x74000000 + (getpid() << 4 & 0xfffff0) + n;
}

/* --- shared memory --- */

TEST(shared, "[P9] a segment is shared by who attaches it, over fork, and goes with its last attach")
{
	int id = OK(shmget(IPC_PRIVATE, 10000, 0600));
	struct shmid_ds ds;
	u8 *a = shmat(id, NULL, 0), *b = shmat(id, NULL, SHM_RDONLY);

	NEED(a != MAP_FAILED && b != MAP_FAILED && a != b);
	a[9999] = 7;
	IS(b[9999], 7);
	IS(CHILD(IS(b[9999], 7); a[0] = 9), EXITED(0));
	IS(b[0], 9);
	IS(CHILD(b[0] = 1), KILLED(SIGSEGV));
	OK(shmctl(id, IPC_STAT, &ds));
	IS(ds.shm_segsz, 10000);
	IS(ds.shm_nattch, 2);
	IS(ds.shm_cpid, getpid());
	IS(ds.shm_perm.mode, 0600);
	OK(shmdt(b));
	FAILS(shmdt(b), EINVAL);
	FAILS(shmdt(a + PAGE), EINVAL);
	OK(shmctl(id, IPC_RMID, NULL));
	OK(shmctl(id, IPC_STAT, &ds)); /* it is there yet */
	IS(ds.shm_nattch, 1);
	CHECK(ds.shm_perm.mode & 01000);
	b = shmat(id, NULL, 0);
	NEED(b != MAP_FAILED);
	IS(b[9999], 7);
	OK(shmdt(a));
	OK(munmap(b, 12288)); /* as good as a detach */
	FAILS(shmctl(id, IPC_STAT, &ds), EINVAL);
	FAILS(shmat(id, NULL, 0), EINVAL);
}

TEST(segments, "[P9] keys of segments, and what is refused")
{
	key_t key = a_key(1);
	int id = OK(shmget(key, 4096, IPC_CREAT | 0600));
	u8 *p;

	IS(shmget(a_key(1), 4096, IPC_CREAT | 0600), id);
	IS(shmget(a_key(1), 0, 0), id);
	FAILS(shmget(a_key(1), 4096, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
	FAILS(shmget(a_key(1), 4097, 0600), EINVAL);
	FAILS(shmget(a_key(2), 4096, 0600), ENOENT);
	FAILS(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
	FAILS(shmat(id, (void *)1, 0), EINVAL);
	FAILS(shmat(-1, NULL, 0), EINVAL);
	p = pages(1, PROT_READ);
	FAILS(shmat(id, p, 0), EINVAL);
	IS(shmat(id, p, SHM_REMAP), p);
	OK(shmdt(p));
	IS(shmat(id, p + 5, SHM_RND), p);
	FAILS(shmctl(id, 99, NULL), EINVAL);
	FAILS(shmctl(id, IPC_STAT, opaque(8)), EFAULT);
	if (getuid() == 0)
		IS(CHILD({
			   OK(setresuid(1000, 1000, 1000));
			   FAILS(shmat(id, NULL, 0), EACCES);
			   FAILS(shmctl(id, IPC_RMID, NULL), EPERM);
			   FAILS(shmget(key, 0, 0400), EACCES);
		   }),
		   EXITED(0));
	OK(shmctl(id, IPC_RMID, NULL));
	FAILS(shmget(a_key(1), 0, 0), ENOENT);
}

/* --- semaphores --- */

static int op(int id, int num, int by, int flags)
{
	struct sembuf b = {num, by, flags};

	return semop(id, &b, 1);
}

TEST(semaphores, "[P9] semaphores: values, all or nothing, who waits")
{
	int id = OK(semget(IPC_PRIVATE, 3, 0600));
	struct sembuf both[2] = {{0, -1, 0}, {1, -1, IPC_NOWAIT}};
	unsigned short all[3] = {5, 6, 7};
	struct semid_ds ds;
	pid_t child;

	IS(semctl(id, 0, GETVAL), 0);
	OK(semctl(id, 0, SETALL, all));
	IS(semctl(id, 2, GETVAL), 7);
	OK(op(id, 2, -7, 0));
	FAILS(op(id, 2, -1, IPC_NOWAIT), EAGAIN);
	OK(semctl(id, 1, SETVAL, 0));
	FAILS(semop(id, both, 2), EAGAIN);
	IS(semctl(id, 0, GETVAL), 5); /* the first was not done either */
	child = SPAWN(OK(op(id, 2, -2, 0)));
	UNTIL(semctl(id, 2, GETNCNT) == 1);
	OK(op(id, 2, 1, 0));
	IS(semctl(id, 2, GETNCNT), 1);
	OK(op(id, 2, 1, 0));
	IS(wait_status(child), EXITED(0));
	IS(semctl(id, 2, GETPID), child);
	IS(semctl(id, 2, GETNCNT), 0);
	child = SPAWN(OK(op(id, 0, 0, 0)));
	UNTIL(semctl(id, 0, GETZCNT) == 1);
	OK(op(id, 0, -5, 0));
	IS(wait_status(child), EXITED(0));
	OK(semctl(id, 0, GETALL, all));
	IS(all[0] + all[1] + all[2], 0);
	OK(semctl(id, 0, IPC_STAT, &ds));
	IS(ds.sem_nsems, 3);
	child = SPAWN(FAILS(op(id, 0, -1, 0), EIDRM));
	UNTIL(semctl(id, 0, GETNCNT) == 1);
	OK(semctl(id, 0, IPC_RMID));
	IS(wait_status(child), EXITED(0));
	FAILS(op(id, 0, 1, 0), EINVAL);
}

TEST(undone, "[P9] SEM_UNDO gives back at the end of a process, however it ends")
{
	int id = OK(semget(IPC_PRIVATE, 2, 0600));
	pid_t child;

	OK(semctl(id, 0, SETVAL, 5));
	IS(CHILD(OK(op(id, 0, -2, SEM_UNDO)); OK(op(id, 1, 3, SEM_UNDO)); OK(op(id, 1, -1, 0))), EXITED(0));
	IS(semctl(id, 0, GETVAL), 5);
	IS(semctl(id, 1, GETVAL), 0);
	child = SPAWN(OK(op(id, 0, -5, SEM_UNDO)); pause());
	UNTIL(semctl(id, 0, GETVAL) == 0);
	kill(child, SIGKILL);
	OK(op(id, 0, -5, 0)); /* waits for that */
	IS(wait_status(child), KILLED(SIGKILL));
	IS(CHILD(OK(op(id, 0, 4, SEM_UNDO)); OK(semctl(id, 0, SETVAL, 1))), EXITED(0));
	IS(semctl(id, 0, GETVAL), 1);
	OK(op(id, 0, 1, SEM_UNDO));
	OK(semctl(id, 0, IPC_RMID));
}

TEST(sem_refused, "[P9] what semaphores refuse; time limits and signals end a wait")
{
	int id = OK(semget(IPC_PRIVATE, 1, 0600));
	struct sembuf take = {0, -1, 0};
	struct timespec soon = {0, 30000000};
	static struct sembuf many[501];
	u64 start = now_ns();
	pid_t child;

	FAILS(semtimedop(id, &take, 1, &soon), EAGAIN);
	CHECK(now_ns() - start >= 30000000);
	FAILS(op(id, 1, 1, 0), EFBIG);
	FAILS(semop(id, &take, 0), EINVAL);
	FAILS(semop(id, many, 501), E2BIG);
	FAILS(semop(id, opaque(8), 1), EFAULT);
	FAILS(semctl(id, 1, GETVAL), EINVAL);
	FAILS(semctl(id, 0, SETVAL, -1), ERANGE);
	FAILS(semctl(id, 0, SETVAL, 40000), ERANGE);
	OK(semctl(id, 0, SETVAL, 32767));
	FAILS(op(id, 0, 1, 0), ERANGE);
	OK(semctl(id, 0, SETVAL, 0));
	FAILS(semget(IPC_PRIVATE, 0, 0600), EINVAL);
	FAILS(semget(IPC_PRIVATE, -1, 0600), EINVAL);
	handle(SIGUSR1);
	child = SPAWN(FAILS(op(id, 0, -1, 0), EINTR));
	UNTIL(semctl(id, 0, GETNCNT) == 1);
	kill(child, SIGUSR1);
	IS(wait_status(child), EXITED(0));
	IS(semctl(id, 0, GETNCNT), 0);
	OK(semctl(id, 0, IPC_RMID));
}

static int ping;

static void *bounce(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2000; i++) {
		OK(op(ping, 0, -1, 0));
		OK(op(ping, 1, 1, 0));
	}
	return NULL;
}

TEST(bounced, "[P9] two threads hand each other the turn two thousand times")
{
	pthread_t t;

	ping = OK(semget(IPC_PRIVATE, 2, 0600));
	NEED(pthread_create(&t, NULL, bounce, NULL) == 0);
	for (int i = 0; i < 2000; i++) {
		OK(op(ping, 0, 1, 0));
		OK(op(ping, 1, -1, 0));
	}
	pthread_join(t, NULL);
	OK(semctl(ping, 0, IPC_RMID));
}

/* --- messages --- */

struct text {
	long type;
	char text[64];
};

static int put(int id, long type, const char *text, int flags)
{
	struct text m = {.type = type};

	strcpy(m.text, text);
	return msgsnd(id, &m, strlen(text), flags);
}

static void got(int id, long type, int flags, long want_type, const char *want)
{
	struct text m = {0};

	IS(msgrcv(id, &m, sizeof(m.text) - 1, type, flags), strlen(want));
	IS(m.type, want_type);
	IS_STR(m.text, want);
}

TEST(messages, "[P9] messages come in order, or by type")
{
	int id = OK(msgget(IPC_PRIVATE, 0600));
	struct text m;
	struct msqid_ds ds;

	OK(put(id, 3, "three", 0));
	OK(put(id, 1, "one", 0));
	OK(put(id, 2, "two", 0));
	OK(put(id, 1, "again", 0));
	OK(msgctl(id, IPC_STAT, &ds));
	IS(ds.msg_qnum, 4);
	IS(ds.msg_lspid, getpid());
	got(id, 2, 0, 2, "two");
	got(id, -2, 0, 1, "one");
	got(id, 1, MSG_EXCEPT, 3, "three");
	FAILS(msgrcv(id, &m, 2, 0, 0), E2BIG);
	IS(msgrcv(id, &m, 2, 0, MSG_NOERROR), 2);
	FAILS(msgrcv(id, &m, 2, 0, IPC_NOWAIT), ENOMSG);
	FAILS(put(id, 0, "x", 0), EINVAL);
	FAILS(msgsnd(id, &m, 8193, 0), EINVAL);
	FAILS(msgsnd(id, opaque(8), 1, 0), EFAULT);
	FAILS(msgrcv(id, &m, -1, 0, 0), EINVAL);
	OK(put(id, 1, "", 0));
	got(id, 0, 0, 1, "");
	OK(msgctl(id, IPC_RMID, NULL));
	FAILS(put(id, 1, "x", 0), EINVAL);
}

TEST(queue_full, "[P9] a full queue: the sender waits for room; its end ends all waits")
{
	static struct {
		long type;
		char text[8000];
	} big = {.type = 1};
	int id = OK(msgget(IPC_PRIVATE, 0600));
	struct text m;
	pid_t child;

	OK(msgsnd(id, &big, 8000, 0));
	OK(msgsnd(id, &big, 8000, 0));
	FAILS(msgsnd(id, &big, 8000, IPC_NOWAIT), EAGAIN);
	child = SPAWN(OK(msgsnd(id, &big, 8000, 0)));
	wait_asleep(child);
	IS(msgrcv(id, &big, 8000, 0, 0), 8000);
	IS(wait_status(child), EXITED(0));
	handle(SIGUSR1);
	child = SPAWN(FAILS(msgsnd(id, &big, 8000, 0), EINTR));
	wait_asleep(child);
	kill(child, SIGUSR1);
	IS(wait_status(child), EXITED(0));
	child = SPAWN(FAILS(msgrcv(id, &m, 5, 77, 0), EIDRM));
	wait_asleep(child);
	OK(msgctl(id, IPC_RMID, NULL));
	IS(wait_status(child), EXITED(0));
}

TEST(keys, "[P9] a key is one object while it lives; another of the same key has another number")
{
	int id = OK(msgget(a_key(3), IPC_CREAT | 0600)), next;

	IS(msgget(a_key(3), 0), id);
	FAILS(msgget(a_key(3), IPC_CREAT | IPC_EXCL), EEXIST);
	OK(msgctl(id, IPC_RMID, NULL));
	FAILS(msgget(a_key(3), 0), ENOENT);
	next = OK(msgget(a_key(3), IPC_CREAT | 0600));
	CHECK(next != id);
	FAILS(msgctl(id, IPC_RMID, NULL), EINVAL);
	OK(msgctl(next, IPC_RMID, NULL));
}
