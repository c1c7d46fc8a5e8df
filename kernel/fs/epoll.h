/* epoll(7): a set of files, of which those that are ready are told. */
#pragma once

#include "kernel/fs/vfs.h"

/* epoll_open => 0 and a reference; -ENOMEM */
int epoll_open(struct file **ret);
bool file_is_epoll(const struct file *f);

/* epoll_add, epoll_change, epoll_remove: F, known as descriptor FD. EP is an epoll, and not F.
 * => 0; -EEXIST; -ENOENT; -EPERM (F cannot be waited for); -ELOOP (a circle, or a chain of too many); -EINVAL
 * (EPOLLEXCLUSIVE with what it does not go with); -ENOMEM */
int epoll_add(struct file *ep, struct file *f, int fd, const struct epoll_event *event);
int epoll_change(struct file *ep, struct file *f, int fd, const struct epoll_event *event);
int epoll_remove(struct file *ep, struct file *f, int fd);

/* epoll_take: at most MAX events to ring 3; DEADLINE in monotonic ns, 0: do not wait.
 * => how many; 0 (deadline); -EINTR; -EFAULT */
i64 epoll_take(struct file *ep, uaddr_t events, int max, u64 deadline);

/* epoll_forget: F, which is watched, is being released: it leaves all epolls. */
void epoll_forget(struct file *f);
