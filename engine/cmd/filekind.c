/* Tells files of the command line apart by their first bytes, never by their names. */
#include "base/str.h"
#include "xkd/xkd.h"
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD 4096

static const struct {
	const char *magic;
	size_t n;
	enum xkd_file_kind kind;
} magics[] = {
	{ "KDUMP   ", 8, XKD_FILE_DUMP },
	{ "DISKDUMP", 8, XKD_FILE_DUMP },
	{ "makedumpfile", 12, XKD_FILE_DUMP }, /* its flattened form */
	{ "\x1f\x8b", 2, XKD_FILE_IMAGE },
	{ "\xfd\x37zXZ", 5, XKD_FILE_IMAGE },
	{ "\x28\xb5\x2f\xfd", 4, XKD_FILE_IMAGE },
};

/* No control characters but those of text; bytes above 0x7f are some encoding's. */
static bool is_text(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((p[i] < 0x20 && !strchr("\t\n\r\f\x1b", p[i])) || !p[i] || p[i] == 0x7f)
			return false;
	return true;
}

static enum xkd_rc judge(const char *path, const uint8_t *p, size_t n, enum xkd_file_kind *kind,
			 struct xkd_err *err)
{
	if (n >= SELFMAG && !memcmp(p, ELFMAG, SELFMAG)) {
		/* what is wrong with an image is told better where it is opened */
		*kind = n > 17 && xkd_get_le(p + 16, 2) == ET_CORE ? XKD_FILE_DUMP : XKD_FILE_IMAGE;
		return XKD_OK;
	}
	for (size_t i = 0; i < XKD_COUNT(magics); i++)
		if (n >= magics[i].n && !memcmp(p, magics[i].magic, magics[i].n)) {
			*kind = magics[i].kind;
			return XKD_OK;
		}
	if (n > 0x206 && !memcmp(p + 0x202, "HdrS", 4))
		return xkd_err_set(err, XKD_BADDATA,
				   "%.400s is a bzImage, which carries no symbols (the vmlinux it "
				   "was made from does)",
				   path);
	if (!is_text(p, n))
		return xkd_err_set(err, XKD_BADDATA,
				   "%.400s is neither an ELF file, nor a dump, nor a script", path);
	*kind = XKD_FILE_SCRIPT;
	return XKD_OK;
}

enum xkd_rc xkd_file_kind(const char *path, enum xkd_file_kind *kind, struct xkd_err *err)
{
	uint8_t head[HEAD];
	struct stat st;
	size_t n = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return xkd_err_set(err, errno == ENOENT ? XKD_NOTFOUND : XKD_IO, "%.400s: %s", path,
				   strerror(errno));
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		close(fd);
		return xkd_err_set(err, XKD_BADDATA, "%.400s is %s", path,
				   S_ISDIR(st.st_mode) ? "a folder" : "no regular file");
	}
	while (n < sizeof(head)) {
		ssize_t got = read(fd, head + n, sizeof(head) - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	if (!n)
		return xkd_err_set(err, XKD_BADDATA, "%.400s is empty", path);
	return judge(path, head, n, kind, err);
}
