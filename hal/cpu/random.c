/* ChaCha20 (RFC 8439, 2.3) as a generator: some blocks at a time, of which the first bytes replace the key and the
 * others are the output, each cleared as it is given: what was given out cannot be computed back. */
#include "hal/cpu/random.h"
#include "hal/base/string.h"
#include "hal/cpu/cpu.h"
#include "hal/cpu/spinlock.h"

#define BLOCKS 4

static struct spinlock random_lock = SPINLOCK_INIT("random", RANK_RANDOM);
static u32 key[8];            /* [random_lock] */
static u64 counter;           /* [random_lock] */
static u32 pool[BLOCKS * 16]; /* [random_lock] output not given yet, at its end; cleared before that */
static u32 pool_left;         /* [random_lock] bytes */

static inline u32 rotl(u32 x, int n)
{
	return x << n | x >> (32 - n);
}

static void quarter(u32 *s, int a, int b, int c, int d)
{
	s[a] += s[b], s[d] = rotl(s[d] ^ s[a], 16);
	s[c] += s[d], s[b] = rotl(s[b] ^ s[c], 12);
	s[a] += s[b], s[d] = rotl(s[d] ^ s[a], 8);
	s[c] += s[d], s[b] = rotl(s[b] ^ s[c], 7);
}

static void block(const u32 in[16], u32 out[16])
{
	memcpy(out, in, 64);
	for (int round = 0; round < 10; round++) {
		quarter(out, 0, 4, 8, 12);
		quarter(out, 1, 5, 9, 13);
		quarter(out, 2, 6, 10, 14);
		quarter(out, 3, 7, 11, 15);
		quarter(out, 0, 5, 10, 15);
		quarter(out, 1, 6, 11, 12);
		quarter(out, 2, 7, 8, 13);
		quarter(out, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		out[i] += in[i];
}

/* => random_lock held */
static void refill(void)
{
	u32 in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
	u64 hw = rdtsc();

	cpu_hw_random(&hw);
	memcpy(&in[4], key, sizeof(key));
	in[14] = (u32)hw;
	in[15] = (u32)(hw >> 32);
	for (u32 i = 0; i < BLOCKS; i++, counter++) {
		in[12] = (u32)counter;
		in[13] = (u32)(counter >> 32);
		block(in, pool + 16 * i);
	}
	memcpy(key, pool, sizeof(key));
	memset(pool, 0, sizeof(key));
	memset(in, 0, sizeof(in)); /* the old key */
	__asm__ volatile("" ::"r"(in) : "memory");
	pool_left = sizeof(pool) - sizeof(key);
}

void random_mix(const void *buf, size_t n)
{
	const u8 *p = buf;
	bool on = spin_lock_irq(&random_lock);

	for (size_t i = 0; i < n; i++) {
		((u8 *)key)[i % sizeof(key)] ^= p[i];
		if (i % sizeof(key) == sizeof(key) - 1)
			refill();
	}
	refill();
	pool_left = 0;
	spin_unlock_irq(&random_lock, on);
}

void random_init(const u8 *seed, size_t n)
{
	random_mix(seed, n);
}

/* The lock is let go between blocks: a long read holds off no interrupt. */
void random_bytes(void *buf, size_t n)
{
	u8 *p = buf;

	while (n) {
		bool on = spin_lock_irq(&random_lock);

		if (pool_left == 0)
			refill();
		size_t take = MIN(n, (size_t)pool_left);
		u8 *from = (u8 *)pool + sizeof(pool) - pool_left;
		memcpy(p, from, take);
		memset(from, 0, take);
		pool_left -= (u32)take;
		spin_unlock_irq(&random_lock, on);
		p += take;
		n -= take;
	}
}

u64 random_u64(void)
{
	u64 v;

	random_bytes(&v, sizeof(v));
	return v;
}
