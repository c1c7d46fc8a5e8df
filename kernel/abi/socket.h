/* Linux's constants and structures of sockets that its user-space headers lack (leaf). */
#pragma once

#include "hal/base/types.h"

#include <asm/socket.h>
#include <linux/un.h>

#define AF_UNSPEC 0
#define AF_UNIX 1

#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_SEQPACKET 5
#define SOCK_TYPE_MASK 0xf
#define SOCK_CLOEXEC O_CLOEXEC
#define SOCK_NONBLOCK O_NONBLOCK

#define SHUT_RD 0
#define SHUT_WR 1
#define SHUT_RDWR 2

#define MSG_OOB 1
#define MSG_PEEK 2
#define MSG_CTRUNC 8
#define MSG_TRUNC 0x20
#define MSG_DONTWAIT 0x40
#define MSG_EOR 0x80
#define MSG_WAITALL 0x100
#define MSG_NOSIGNAL 0x4000
#define MSG_WAITFORONE 0x10000
#define MSG_CMSG_CLOEXEC 0x40000000

#define SCM_RIGHTS 1
#define SCM_CREDENTIALS 2
#define SCM_MAX_FD 253

#define SOMAXCONN 4096

struct user_ucred { /* struct ucred */
	i32 pid;
	u32 uid, gid;
};

struct user_msghdr { /* struct msghdr */
	u64 name;
	i32 namelen;
	u64 iov, iovlen;
	u64 control, controllen;
	u32 flags;
};

struct user_mmsghdr { /* struct mmsghdr */
	struct user_msghdr hdr;
	u32 len;
};

struct user_cmsghdr { /* struct cmsghdr; data follow, each header is aligned to 8 bytes */
	u64 len;
	i32 level, type;
};

_Static_assert(sizeof(struct user_msghdr) == 56 && sizeof(struct user_mmsghdr) == 64,
               "as recvmmsg(2) has them");
