/* The screen's text as files, vcs(4): /dev/vcs1 has a byte for each cell, row by row, /dev/vcsu1 four, its code point;
 * /dev/vcsa1 begins with rows, columns and the cursor's place, and then has a character and its colours for each. They
 * are read only. */
#define KERNEL_TTY
#include "kernel/tty/internal.h"
#include "hal/base/assert.h"
#include "hal/console/console.h"
#include "hal/console/vt.h"

#define CELLS 64 /* looked at at a time */
#define VCSA_HEADER 4

struct vcs {
	const char *name;
	u32 minor;
	u32 cell_bytes, header;
};

/* Numbers: Linux, Documentation/admin-guide/devices.txt, major 7. */
static const struct vcs kinds[] = {
        {"vcs1", 1, 1, 0},
        {"vcsu1", 65, 4, 0},
        {"vcsa1", 129, 2, VCSA_HEADER},
};

/* byte_of: byte AT of a cell as the file has it. Bytes are Latin-1; attributes are those of VGA's text mode. */
static u8 byte_of(const struct vcs *kind, u32 cell, u32 at)
{
	u32 c = VT_CHAR(cell);

	if (kind->cell_bytes == 4)
		return c >> (8 * at);
	if (at)
		return (cell >> VT_FG_SHIFT & 15) | (cell >> VT_BG_SHIFT & 15) << 4;
	return c < 256 ? c : '?';
}

static u8 header_byte(const struct screen_view *v, u32 at)
{
	const u32 all[VCSA_HEADER] = {v->rows, v->cols, v->x, v->y};

	return all[at];
}

/* vcs_bytes: what the file has at POS, at most N bytes. => how many, 0 at its end */
static size_t vcs_bytes(const struct vcs *kind, u64 pos, u8 *buf, size_t n)
{
	struct screen_view v;
	u32 cells[CELLS], first = pos < kind->header ? 0 : (pos - kind->header) / kind->cell_bytes;
	u64 size, cell;
	size_t done;

	if (!screen_look(first, cells, CELLS, &v))
		return 0;
	size = kind->header + (u64)v.rows * v.cols * kind->cell_bytes;
	for (done = 0; done < n && pos < size; done++, pos++) {
		if (pos < kind->header) {
			buf[done] = header_byte(&v, pos);
			continue;
		}
		cell = (pos - kind->header) / kind->cell_bytes;
		if (cell - first >= CELLS)
			break;
		buf[done] = byte_of(kind, cells[cell - first], (pos - kind->header) % kind->cell_bytes);
	}
	return done;
}

static isize_t vcs_read(struct file *f, struct uio *u, u64 *pos)
{
	u8 buf[TTY_CHUNK];
	isize_t done = 0, n;

	while (u->resid) {
		n = vcs_bytes(f->private, *pos, buf, MIN(u->resid, sizeof(buf)));
		n = n ? uio_out(u, buf, n) : 0;
		if (n <= 0)
			return done ? done : n;
		done += n;
		*pos += n;
	}
	return done;
}

static i64 vcs_seek(struct file *f, i64 off, int whence)
{
	const struct vcs *kind = f->private;
	struct screen_view v;

	if (!screen_look(0, NULL, 0, &v))
		return -ENXIO;
	if (whence == SEEK_CUR)
		off += f->pos;
	else if (whence == SEEK_END)
		off += kind->header + (u64)v.rows * v.cols * kind->cell_bytes;
	else if (whence != SEEK_SET)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	f->pos = off;
	return off;
}

static const struct file_ops vcs_fops = {.read = vcs_read, .seek = vcs_seek};

void vcs_init(void)
{
	if (!screen_device())
		return;
	for (u32 i = 0; i < ARRAY_SIZE(kinds); i++)
		if (devfs_register(kinds[i].name, 0660, MAKEDEV(VCS_MAJOR, kinds[i].minor), &vcs_fops,
		                   (void *)&kinds[i]))
			panic("out of memory for /dev/%s", kinds[i].name);
}
