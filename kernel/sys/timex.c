/* Adjusting the clock (adjtimex(2)): its frequency, a step, and what a time server notes down for others to read. The
 * kernel does not slew by itself: ADJ_OFFSET, ADJ_TICK and adjtime's own modes are refused. */
#include "hal/time/clock.h"
#include "kernel/abi/capability.h"
#include "kernel/proc/proc.h"
#include "kernel/sys/syscall.h"
#include "kernel/sys/usertime.h"
#include "sched/mutex.h"
#include "vm/uaccess.h"

#define MODES_KNOWN                                                                                        \
	(ADJ_FREQUENCY | ADJ_SETOFFSET | ADJ_NANO | ADJ_MICRO | ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR | \
	 ADJ_TIMECONST)
#define ERROR_MAX 16000000L /* microseconds: nobody knows */
#define TICK_USEC (1000000L / 100)

/* [timex_lock] what is remembered, and nothing else is done with */
static struct {
	int status;
	long maxerror, esterror, constant;
} noted = {STA_UNSYNC, ERROR_MAX, ERROR_MAX, 2};

static struct mutex timex_lock = MUTEX_INIT(timex_lock);

static i64 clamp(i64 v, i64 limit)
{
	return v > limit ? limit : v < -limit ? -limit : v;
}

/* step_from => what ADJ_SETOFFSET adds, in nanoseconds; or -EINVAL in *RET_ERR */
static i64 step_from(const struct __kernel_timex *tx, int *ret_err)
{
	u64 unit = tx->modes & ADJ_NANO ? 1 : NS_PER_USEC;

	if (tx->time.tv_usec < 0 || (u64)tx->time.tv_usec >= NS_PER_SEC / unit ||
	    clamp(tx->time.tv_sec, 1L << 32) != tx->time.tv_sec) {
		*ret_err = -EINVAL;
		return 0;
	}
	return tx->time.tv_sec * (i64)NS_PER_SEC + tx->time.tv_usec * (i64)unit;
}

static int timex_change(const struct __kernel_timex *tx)
{
	int err = (tx->modes & ~(u32)MODES_KNOWN) ? -EINVAL : 0;
	i64 step = tx->modes & ADJ_SETOFFSET ? step_from(tx, &err) : 0;

	if (err)
		return err;
	if (step < 0 && (u64)-step > clock_real())
		return -EINVAL;
	if (tx->modes & ADJ_SETOFFSET)
		clock_step(clock_real() + (u64)step);
	if (tx->modes & ADJ_FREQUENCY)
		clock_adjust(clamp(tx->freq, CLOCK_ADJUST_MAX));
	if (tx->modes & ADJ_STATUS)
		noted.status = (noted.status & STA_RONLY) | (tx->status & ~STA_RONLY);
	if (tx->modes & ADJ_NANO)
		noted.status |= STA_NANO;
	if (tx->modes & ADJ_MICRO)
		noted.status &= ~STA_NANO;
	if (tx->modes & ADJ_MAXERROR)
		noted.maxerror = tx->maxerror;
	if (tx->modes & ADJ_ESTERROR)
		noted.esterror = tx->esterror;
	if (tx->modes & ADJ_TIMECONST)
		noted.constant = tx->constant;
	return 0;
}

static void timex_fill(struct __kernel_timex *ret)
{
	u64 now = clock_real();

	*ret = (struct __kernel_timex){
	        .modes = ret->modes,
	        .freq = clock_adjusted(),
	        .maxerror = noted.maxerror,
	        .esterror = noted.esterror,
	        .status = noted.status,
	        .constant = noted.constant,
	        .precision = 1,
	        .tolerance = CLOCK_ADJUST_MAX,
	        .time = {(i64)(now / NS_PER_SEC),
	                 (i64)(now % NS_PER_SEC / (noted.status & STA_NANO ? 1 : NS_PER_USEC))},
	        .tick = TICK_USEC,
	};
}

i64 sys_adjtimex(uaddr_t user)
{
	struct __kernel_timex tx;
	int err = 0;

	if (copyin(&tx, user, sizeof(tx)) < 0)
		return -EFAULT;
	if (tx.modes && !capable(CAP_SYS_TIME))
		return -EPERM;
	WITH_MUTEX(&timex_lock)
	{
		err = timex_change(&tx);
		if (!err)
			timex_fill(&tx);
	}
	if (!err && copyout(user, &tx, sizeof(tx)) < 0)
		err = -EFAULT;
	return err ? err : tx.status & (STA_UNSYNC | STA_CLOCKERR) ? TIME_ERROR : TIME_OK;
}

i64 sys_clock_adjtime(int clock, uaddr_t tx)
{
	if (clock == CLOCK_REALTIME)
		return sys_adjtimex(tx);
	return sys_clock_getres(clock, UADDR(0)) < 0 ? -EINVAL : -EOPNOTSUPP;
}
