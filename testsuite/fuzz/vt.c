/* Random input for the screen's terminal (libFuzzer; `make fuzz`). The first two bytes are its size. */
#include "hal/console/vt.h"
#include "testsuite/fuzz/fuzz.h"

static struct vt v;

static void check(void)
{
	if (v.now.x > v.cols || v.now.y >= v.rows || v.top >= v.bottom || v.bottom > v.rows ||
	    v.reply_len > sizeof(v.reply))
		__builtin_trap();
	for (u32 row = 0; row < v.rows; row++)
		if (v.row_of[row] >= v.rows)
			__builtin_trap();
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u8 answer[sizeof(v.reply)];

	if (size < 2)
		return 0;
	vt_init(&v, 1 + data[0] % VT_MAX_ROWS, 1 + data[1] % VT_MAX_COLS);
	vt_write(&v, data + 2, size - 2);
	check();
	vt_take_reply(&v, answer);
	vt_log(&v, "a line\n", 7);
	check();
	return 0;
}
