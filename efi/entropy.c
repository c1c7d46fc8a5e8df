/* Entropy: from firmware's generator, else from the CPU's, else from the time that things take; always
 * together with all that is at hand, and put through ChaCha20 (RFC 8439) as the mixing function. */
#define BULKHEAD_STUB
#include "efi/stub.h"

#define JITTER_SAMPLES 512

static u32 pool[8];

static u32 rotl(u32 x, u32 n)
{
	return x << n | x >> (32 - n);
}

static void quarter_round(u32 *x, int a, int b, int c, int d)
{
	x[a] += x[b], x[d] = rotl(x[d] ^ x[a], 16);
	x[c] += x[d], x[b] = rotl(x[b] ^ x[c], 12);
	x[a] += x[b], x[d] = rotl(x[d] ^ x[a], 8);
	x[c] += x[d], x[b] = rotl(x[b] ^ x[c], 7);
}

/* chacha_block: 64 bytes from the pool as the key. Different COUNTERs give independent blocks. */
static void chacha_block(u32 counter, void *ret_block)
{
	u32 in[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}, x[16];

	memcpy(in + 4, pool, sizeof(pool));
	in[12] = counter;
	memcpy(x, in, sizeof(x));
	for (int i = 0; i < 10; i++) {
		quarter_round(x, 0, 4, 8, 12);
		quarter_round(x, 1, 5, 9, 13);
		quarter_round(x, 2, 6, 10, 14);
		quarter_round(x, 3, 7, 11, 15);
		quarter_round(x, 0, 5, 10, 15);
		quarter_round(x, 1, 6, 11, 12);
		quarter_round(x, 2, 7, 8, 13);
		quarter_round(x, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		x[i] += in[i];
	memcpy(ret_block, x, sizeof(x));
}

/* pool_add: what is unrelated to the pool takes nothing from it. */
static void pool_add(u32 at, u64 value)
{
	pool[at % 8] ^= (u32)value;
	pool[(at + 1) % 8] ^= (u32)(value >> 32);
}

static bool firmware_random(void)
{
	EFI_RNG_PROTOCOL *rng;
	u64 seed[4];

	if (!ok(bs->LocateProtocol(&(EFI_GUID)EFI_RNG_PROTOCOL_GUID, NULL, (void **)&rng)) ||
	    !ok(rng->GetRNG(rng, NULL, sizeof(seed), (UINT8 *)seed)))
		return false;
	for (u32 i = 0; i < 4; i++)
		pool_add(2 * i, seed[i]);
	return true;
}

static bool rdseed(u64 *ret)
{
	bool good;

	__asm__ volatile("rdseed %0" : "=r"(*ret), "=@ccc"(good));
	return good;
}

static bool rdrand(u64 *ret)
{
	bool good;

	__asm__ volatile("rdrand %0" : "=r"(*ret), "=@ccc"(good));
	return good;
}

/* Intel SDM vol. 1, 7.3.17: ten tries of RDRAND; RDSEED may run dry. */
static bool cpu_random(void)
{
	u32 ebx, ecx, edx, ebx7 = 0, filled = 0;

	if (cpuid(0, 0, &ebx, &ecx, &edx) >= 7)
		cpuid(7, 0, &ebx7, &ecx, &edx);
	cpuid(1, 0, &ebx, &ecx, &edx);
	for (int tries = 0; tries < 40 && filled < 8; tries++) {
		u64 value;

		if ((ebx7 & 1U << 18 && rdseed(&value)) || (ecx & 1U << 30 && rdrand(&value))) {
			pool_add(filled, value);
			filled += 2;
		}
	}
	return filled == 8;
}

/* timing: how long firmware takes for a microsecond, to the cycle. */
static void timing(void)
{
	u8 block[64];

	for (u32 i = 0; i < JITTER_SAMPLES; i++) {
		bs->Stall(1);
		pool_add(i, rdtsc() * 0x9e3779b97f4a7c15ULL);
		if (i % 8 == 7) {
			chacha_block(i, block);
			memcpy(pool, block, sizeof(pool));
		}
	}
}

void gather_entropy(struct stub *s)
{
	bool firmware = firmware_random();

	if (!cpu_random() && !firmware)
		timing();
	pool_add(0, rdtsc());
	pool_add(2, s->info->real_time);
	pool_add(4, (u64)s->handle);
	chacha_block(0, s->info->entropy);
	chacha_block(1, s->random);
	memset(pool, 0, sizeof(pool));
}
