// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz2c: prints a program of the fuzzer as a C program that makes the same
 * calls and needs nothing of the fuzzer. It tells what each call returns; it
 * has no oracle, and does not clean up.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <linux/rsmctl.h>

#include "fuzz2c.h"
#include "prog.h"

static const struct step *step;

static uint64_t arg(enum role role)
{
	return step->arg[role];
}

static __printf(1, 2) void line(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	putchar('\t');
	vprintf(format, args);
	putchar('\n');
	va_end(args);
}

/* Expressions, which nobody frees: the program is soon over. */

static __printf(1, 2) const char *expr(const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		abort();
	va_end(args);
	return text;
}

static const char *number(uint64_t value)
{
	return expr(value < 1024 ? "%llu" : "%#llx", (unsigned long long)value);
}

static const char *number_or(enum role role, const char *right)
{
	return arg(role) == AUTO ? right : number(arg(role));
}

static const char *slot(enum role role)
{
	return expr("fd[%u]", (unsigned int)arg(role));
}

static const char *addr(uint64_t value)
{
	static const char *const bases[] = {
		[BASE_NULL] = "0UL", [BASE_BUF] = "(unsigned long)buf",
		[BASE_TOP] = "0x7ffffffff000UL",
		[BASE_KERNEL] = "0xffff888000000000UL",
		[BASE_END] = "0xfffffffffffff000UL",
	};
	unsigned int base = addr_base(value);
	int64_t offset = addr_offset(value);

	return expr("%s %c %s",
		    base < NR_REGIONS ? expr("MEM(%u)", base) : bases[base],
		    offset < 0 ? '-' : '+',
		    number(offset < 0 ? -offset : offset));
}

/* The part of a region that a call is about. */
static const char *start(enum role region)
{
	return expr("(void *)(MEM(%u) + %u * PAGE)", (unsigned int)arg(region),
		    (unsigned int)(arg(ROLE_FIRST) % 2560));
}

static const char *page_count(void)
{
	if (arg(ROLE_PAGES) == AUTO)
		return expr("pages[%u]", (unsigned int)arg(ROLE_REGION));
	return number(arg(ROLE_PAGES));
}

/* Ioctls */

static void open_struct(const char *type)
{
	line("struct %s cmd = {", type);
	line("\t.size = %s,", number_or(ROLE_SIZE, "sizeof(cmd)"));
	if (arg(ROLE_FLAGS))
		line("\t.flags = %s,", number((uint32_t)arg(ROLE_FLAGS)));
	if (arg(ROLE_RSV) && strcmp(type, "rsm_import_connect") &&
	    strcmp(type, "rsm_export_publish") &&
	    strcmp(type, "rsm_export_republish") &&
	    strcmp(type, "rsm_controller_nodes") &&
	    strcmp(type, "rsm_import_atomic") && strcmp(type, "rsm_lock"))
		line("\t.__reserved = %s,", number((uint32_t)arg(ROLE_RSV)));
}

static void field(const char *name, const char *value)
{
	line("\t.%s = %s,", name, value);
}

/* A structure that claims to be longer is followed by zeros. */
static const char *place(void)
{
	if (arg(ROLE_AT) != AUTO)
		return addr(arg(ROLE_AT));
	return expr("zeros(%s, %s)", number((uint32_t)arg(ROLE_SIZE)),
		    number((uint32_t)arg(ROLE_RSV)));
}

static void close_struct(const char *nr)
{
	line("};");
	puts("");
	if (arg(ROLE_AT) == AUTO && arg(ROLE_SIZE) == AUTO)
		line("CALL(ioctl(%s, %s, &cmd));", slot(ROLE_FD), nr);
	else
		line("CALL(ioctl_at(%s, %s, %s, &cmd, sizeof(cmd)));",
		     slot(ROLE_FD), nr, place());
	line("tell(cmd.out_error);");
}

static void new_fd(const char *length)
{
	line("if (!ret) {");
	line("\tfd[%u] = cmd.out_fd;", (unsigned int)arg(ROLE_OUT));
	if (length)
		line("\tlength[%u] = %s;", (unsigned int)arg(ROLE_OUT), length);
	line("}");
}

static void simple(const char *type, const char *nr)
{
	open_struct(type);
	close_struct(nr);
}

static void emit_info(void)
{
	static const char *const names[] = {
		"\"loopback\"", "\"test0\"", "\"LoopBack\"", "\"\"",
		"\"0123456789abcdef\"",
	};

	open_struct("rsm_controller_info");
	field("name", names[arg(ROLE_CTL) % 5]);
	close_struct("RSM_CONTROLLER_INFO");
}

static void emit_find(void)
{
	open_struct("rsm_controller_find");
	field("controller", number(arg(ROLE_CTL)));
	close_struct("RSM_CONTROLLER_FIND");
}

static void emit_nodes(void)
{
	line("struct rsm_node nodes[RSM_NODES_MAX];");
	open_struct("rsm_controller_nodes");
	field("controller", number(arg(ROLE_CTL)));
	field("nodes", arg(ROLE_LIST) == AUTO ? "(unsigned long)nodes" :
						addr(arg(ROLE_LIST)));
	field("node_count", number_or(ROLE_COUNT, "RSM_NODES_MAX"));
	close_struct("RSM_CONTROLLER_NODES");
}

static const char *region_length(void)
{
	unsigned int base = addr_base(arg(ROLE_ADDR));

	return expr("pages[%u] * PAGE - (%lld)", base < NR_REGIONS ? base : 0,
		    (long long)addr_offset(arg(ROLE_ADDR)));
}

/* The length of what is in the slot of a descriptor. */
static const char *length_of(enum role role)
{
	return expr("length[%u]", (unsigned int)arg(role));
}

static void emit_create(void)
{
	open_struct("rsm_export_create");
	field("controller", number(arg(ROLE_CTL)));
	field("vaddr", addr(arg(ROLE_ADDR)));
	field("length", number_or(ROLE_LEN, region_length()));
	close_struct("RSM_EXPORT_CREATE");
	new_fd("cmd.length");
}

static void emit_rebind(void)
{
	open_struct("rsm_export_rebind");
	field("vaddr", addr(arg(ROLE_ADDR)));
	field("length", number_or(ROLE_LEN, length_of(ROLE_FD)));
	close_struct("RSM_EXPORT_REBIND");
}

static void access_array(void)
{
	uint64_t list = arg(ROLE_ACCESS);
	unsigned int i;

	line("struct rsm_access_entry acl[RSM_ACL_MAX + 1] = {");
	for (i = 0; i < access_count(list); i++)
		line("\t{ %u, %#o },", access_node(list, i),
		     access_mode(list, i));
	line("};");
}

static void access_fields(void)
{
	field("acl", arg(ROLE_LIST) == AUTO ? "(unsigned long)acl" :
					      addr(arg(ROLE_LIST)));
	field("acl_count", arg(ROLE_COUNT) == AUTO ?
	      number(access_count(arg(ROLE_ACCESS))) :
	      number(arg(ROLE_COUNT)));
}

static void emit_publish(void)
{
	access_array();
	open_struct("rsm_export_publish");
	access_fields();
	field("segid", number(arg(ROLE_ID)));
	close_struct("RSM_EXPORT_PUBLISH");
	line("if (!ret)");
	line("\tsh->key[%u] = cmd.out_segid;", (unsigned int)arg(ROLE_KEY));
}

static void emit_republish(void)
{
	access_array();
	open_struct("rsm_export_republish");
	access_fields();
	close_struct("RSM_EXPORT_REPUBLISH");
}

static void emit_connect(void)
{
	const char *key = expr("sh->key[%u]", (unsigned int)arg(ROLE_KEY));

	open_struct("rsm_import_connect");
	field("controller", number(arg(ROLE_CTL)));
	field("node", number(arg(ROLE_NODE)));
	field("segid", arg(ROLE_ID) ? number(arg(ROLE_ID)) : key);
	field("perm", number(arg(ROLE_RIGHTS)));
	close_struct("RSM_IMPORT_CONNECT");
	new_fd("cmd.out_length");
}

static void emit_grant(void)
{
	open_struct("rsm_export_grant");
	field("rights", number(arg(ROLE_RIGHTS)));
	close_struct("RSM_EXPORT_GRANT");
	new_fd(NULL);
}

static void emit_redeem(void)
{
	open_struct("rsm_ticket_connect");
	field("perm", number(arg(ROLE_RIGHTS)));
	close_struct("RSM_TICKET_CONNECT");
	new_fd("cmd.out_length");
}

static void vec(enum role at, enum role offset, enum role length)
{
	line("\t{ %s, %s, %s },", addr(arg(at)), number(arg(offset)),
	     number(arg(length)));
}

static unsigned int vecs(void)
{
	unsigned int count = 0;

	line("struct rsm_copy_vec vec[RSM_COPY_VEC_MAX + 1] = {");
	if (arg(ROLE_LEN) != AUTO) {
		vec(ROLE_ADDR, ROLE_OFF, ROLE_LEN);
		count++;
		if (arg(ROLE_LEN1) != AUTO) {
			vec(ROLE_ADDR1, ROLE_OFF1, ROLE_LEN1);
			count++;
			if (arg(ROLE_LEN2) != AUTO) {
				vec(ROLE_ADDR2, ROLE_OFF2, ROLE_LEN2);
				count++;
			}
		}
	}
	line("};");
	return count;
}

static void emit_copy(const char *nr)
{
	unsigned int count = vecs();

	open_struct("rsm_import_copy");
	field("vec", arg(ROLE_LIST) == AUTO ? "(unsigned long)vec" :
					      addr(arg(ROLE_LIST)));
	field("vec_count", number_or(ROLE_COUNT, number(count)));
	close_struct(nr);
}

static void emit_put(void)
{
	emit_copy("RSM_IMPORT_PUT");
}

static void emit_get(void)
{
	emit_copy("RSM_IMPORT_GET");
}

static void emit_atomic(void)
{
	open_struct("rsm_import_atomic");
	field("op", number(arg(ROLE_WHAT)));
	field("offset", number(arg(ROLE_OFF)));
	field("compare", number(arg(ROLE_COMPARE)));
	field("operand", number_or(ROLE_VALUE, "1"));
	close_struct("RSM_IMPORT_ATOMIC");
}

static void emit_fence(void)
{
	simple("rsm_import_fence", "RSM_IMPORT_FENCE");
}

static const char *wait_time(void)
{
	uint64_t ns = arg(ROLE_TIME);

	return number(step->mode != MODE_ASYNC && ns > 1000000 ? 1000000 : ns);
}

static void emit_wait(void)
{
	open_struct("rsm_signal_wait");
	field("timeout_ns", wait_time());
	close_struct("RSM_SIGNAL_WAIT");
}

static void emit_lock(void)
{
	open_struct("rsm_lock");
	field("offset", number(arg(ROLE_OFF)));
	field("timeout_ns", wait_time());
	close_struct("RSM_LOCK");
}

static void emit_unlock(void)
{
	open_struct("rsm_unlock");
	field("offset", number(arg(ROLE_OFF)));
	close_struct("RSM_UNLOCK");
}

static void emit_unpublish(void)
{
	simple("rsm_export_unpublish", "RSM_EXPORT_UNPUBLISH");
}

static void emit_destroy(void)
{
	simple("rsm_export_destroy", "RSM_EXPORT_DESTROY");
}

static void emit_post(void)
{
	simple("rsm_signal_post", "RSM_SIGNAL_POST");
}

static void emit_ioctl(void)
{
	line("char data[PAGE] = { 0 };");
	puts("");
	line("*(unsigned int *)data = %s;", number((uint32_t)arg(ROLE_SIZE)));
	line("CALL(ioctl(%s, %s & 0xffff00ff | RSM_TYPE << 8, %s));",
	     slot(ROLE_FD), number(arg(ROLE_VALUE)),
	     arg(ROLE_AT) == AUTO ? "data" : addr(arg(ROLE_AT)));
}

/* Descriptors */

static void set_fd(const char *what)
{
	line("CALL(fd[%u] = %s);", (unsigned int)arg(ROLE_OUT), what);
}

static void emit_open(void)
{
	set_fd("open(\"/dev/rsmctl\", O_RDWR | O_CLOEXEC)");
}

static void emit_other(void)
{
	static const char *const what[] = {
		[OTHER_NULL] = "open(\"/dev/null\", O_RDWR | O_CLOEXEC)",
		[OTHER_EVENT] = "eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)",
		[OTHER_MEMFD] = "memfd_create(\"other\", MFD_CLOEXEC)",
		[OTHER_EPOLL] = "epoll_create1(EPOLL_CLOEXEC)",
		[OTHER_SOCKET] = "socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)",
		[OTHER_DIR] = "open(\"/\", O_RDONLY | O_DIRECTORY | O_CLOEXEC)",
	};

	set_fd(what[arg(ROLE_WHAT) % 6]);
}

static void emit_close(void)
{
	line("CALL(close(%s));", slot(ROLE_FD));
	line("fd[%u] = -1;", (unsigned int)arg(ROLE_FD));
}

static void emit_dup(void)
{
	line("length[%u] = length[%u];", (unsigned int)arg(ROLE_OUT),
	     (unsigned int)arg(ROLE_FD));
	line("CALL(fd[%u] = fcntl(%s, F_DUPFD_CLOEXEC, 0));",
	     (unsigned int)arg(ROLE_OUT), slot(ROLE_FD));
}

static void emit_cloexec(void)
{
	line("CALL(fcntl(%s, F_SETFD, %s));", slot(ROLE_FD),
	     arg(ROLE_VALUE) ? "FD_CLOEXEC" : "0");
}

static void emit_send(void)
{
	line("CALL(send_fd(%u, %s, length[%u]));", (unsigned int)arg(ROLE_TO),
	     slot(ROLE_FD), (unsigned int)arg(ROLE_FD));
}

static void emit_recv(void)
{
	line("CALL(fd[%u] = receive_fd(%u, &length[%u]));",
	     (unsigned int)arg(ROLE_OUT), step->proc,
	     (unsigned int)arg(ROLE_OUT));
}

static void emit_poll(void)
{
	line("struct pollfd poll = { %s, %s, 0 };", slot(ROLE_FD),
	     number(arg(ROLE_FLAGS) & 0x7fff));
	line("struct timespec time = { %s / 1000000000, %s %% 1000000000 };",
	     wait_time(), wait_time());
	puts("");
	line("CALL(ppoll(&poll, 1, &time, NULL));");
}

static void emit_file(void)
{
	static const char *const what[] = {
		[FILE_READ] = "read(file, buf, 64)",
		[FILE_WRITE] = "write(file, buf, 64)",
		[FILE_SEEK] = "lseek(file, 64, SEEK_SET)",
		[FILE_SYNC] = "fsync(file)",
		[FILE_ALLOCATE] = "fallocate(file, 0, 0, PAGE)",
		[FILE_TRUNCATE] = "ftruncate(file, PAGE)",
		[FILE_SPLICE] = "sendfile(file, file, NULL, 64)",
		[FILE_STAT] = "fstat(file, (struct stat *)buf)",
	};
	line("int file = %s;", slot(ROLE_FD));
	puts("");
	line("CALL(%s);", what[arg(ROLE_WHAT) % 8]);
}

static void emit_status(void)
{
	line("struct rsm_status *status = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, %s, RSM_STATUS_OFFSET);",
	     slot(ROLE_FD));
	puts("");
	line("if (status != MAP_FAILED) {");
	line("\tprintf(\"state %%u, rebinds %%llu\\n\", status->state, status->rebinds);");
	line("\tmunmap(status, PAGE);");
	line("}");
}

/* Memory */

static void emit_mem(void)
{
	static const char *const kinds[] = {
		[MEM_ANON] = "anon", [MEM_SHARED] = "shared",
		[MEM_MEMFD] = "memfd", [MEM_THP] = "thp", [MEM_HUGE] = "huge",
		[MEM_RO] = "ro", [MEM_FILE] = "file", [MEM_SECRET] = "secret",
		[MEM_ZERO] = "zero", [MEM_DONTFORK] = "dontfork",
	};
	uint64_t count = arg(ROLE_PAGES);

	line("CALL(get_memory(%u, %u, \"%s\"));", (unsigned int)arg(ROLE_REGION),
	     count < 2560 ? (unsigned int)count : 2560,
	     kinds[arg(ROLE_WHAT) % 10]);
}

static void emit_map(void)
{
	static const char *const flags[] = {
		[MAP_PAGES] = "MAP_SHARED", [MAP_STATUS] = "MAP_SHARED",
		[MAP_PRIVATELY] = "MAP_PRIVATE",
		[MAP_POPULATED] = "MAP_SHARED | MAP_POPULATE",
		[MAP_LOCKED_IN] = "MAP_SHARED | MAP_LOCKED",
	};
	uint64_t what = arg(ROLE_WHAT) % 5, off = arg(ROLE_OFF);
	const char *right = expr("%s / PAGE", length_of(ROLE_FD));

	if (what == MAP_STATUS)
		off += RSM_STATUS_OFFSET;
	line("unsigned long count = %s;",
	     number_or(ROLE_PAGES, what == MAP_STATUS ? "1" : right));
	puts("");
	line("CALL(-(mmap(%s, count * PAGE, %u, %s | MAP_FIXED, %s, %s) == MAP_FAILED));",
	     start(ROLE_REGION), (unsigned int)arg(ROLE_PROT) & 7, flags[what],
	     slot(ROLE_FD), number(off));
	line("if (!ret)");
	line("\tpages[%u] = count;", (unsigned int)arg(ROLE_REGION));
}

static void emit_unmap(void)
{
	line("CALL(munmap(%s, %s * PAGE));", start(ROLE_REGION), page_count());
}

static void emit_protect(void)
{
	line("CALL(mprotect(%s, %s * PAGE, %u));", start(ROLE_REGION), page_count(),
	     (unsigned int)arg(ROLE_PROT) & 7);
}

static void emit_move(void)
{
	const char *right = expr("%s * PAGE", page_count());

	line("CALL(-(mremap(%s, %s * PAGE, %s, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)MEM(%u)) == MAP_FAILED));",
	     start(ROLE_REGION), page_count(), number_or(ROLE_LEN, right),
	     (unsigned int)arg(ROLE_INTO));
	line("pages[%u] = %s;", (unsigned int)arg(ROLE_INTO), page_count());
}

static void emit_advise(void)
{
	line("CALL(madvise(%s, %s * PAGE, %s));", start(ROLE_REGION), page_count(),
	     number(arg(ROLE_WHAT)));
}

static void emit_read(void)
{
	line("CALL(load(%s, %s));", start(ROLE_REGION), page_count());
}

static void emit_write(void)
{
	line("CALL(store(%s, %s));", start(ROLE_REGION), page_count());
}

static void emit_loop(void)
{
	line("int ret, until = turn + %u;", (unsigned int)arg(ROLE_UNTIL) & 255);
	puts("");
	line("do {");
	if (arg(ROLE_WHAT) != LOOP_WRITE)
		line("\tret = load(%s, %s);", start(ROLE_REGION), page_count());
	if (arg(ROLE_WHAT) != LOOP_READ)
		line("\tret = store(%s, %s);", start(ROLE_REGION), page_count());
	line("} while (!ret && goes_on(until));");
}

static void emit_peek(void)
{
	line("CALL(peek(sh->pid[%u], %s));", (unsigned int)arg(ROLE_TO),
	     start(ROLE_REGION));
}

static void emit_poke(void)
{
	line("CALL(poke(sh->pid[%u], %s));", (unsigned int)arg(ROLE_TO),
	     start(ROLE_REGION));
}

static void emit_proc(void)
{
	static const char *const what[] = {
		[PROC_MAPS] = "\"/proc/self/maps\"",
		[PROC_SMAPS] = "\"/proc/self/smaps\"",
		[PROC_FDINFO] = "\"/proc/self/fdinfo/%d\"",
		[PROC_STATS] = "\"/sys/module/rsmctl/stats/segments\"",
	};

	if (arg(ROLE_WHAT) == PROC_PAGEMAP)
		line("CALL(read_pagemap((void *)MEM(%u)));",
		     (unsigned int)arg(ROLE_REGION));
	else if (arg(ROLE_WHAT) == PROC_MINCORE)
		line("CALL(mincore((void *)MEM(%u), 8 * PAGE, (unsigned char *)buf));",
		     (unsigned int)arg(ROLE_REGION));
	else
		line("CALL(read_file(%s, %s));", what[arg(ROLE_WHAT) % 6],
		     slot(ROLE_FD));
}

/* Processes */

static void emit_fork(void)
{
	line("CALL(fork_proc(%u));", (unsigned int)arg(ROLE_TO));
}

static void emit_exec(void)
{
	/* The descriptors that it keeps are in the argument. */
	line("exec_again(%u);", step->proc);
}

static void emit_exit(void)
{
	line("turn_done();");
	line(arg(ROLE_WHAT) == EXIT_LEADER ? "syscall(SYS_exit, 0);" :
					     "_exit(0);");
}

static void emit_kill(void)
{
	static const char *const signals[] = {
		[KILL_KILL] = "SIGKILL", [KILL_USR1] = "SIGUSR1",
		[KILL_STOP] = "SIGSTOP", [KILL_CONT] = "SIGCONT",
	};

	line("CALL(send_signal(%u, %s));", (unsigned int)arg(ROLE_TO),
	     signals[arg(ROLE_WHAT) % 4]);
}

static unsigned int id_of(uint64_t value)
{
	return value ? 1000 + value % 3 : 0;
}

static void emit_user(void)
{
	line("CALL(become(%u, %u));", id_of(arg(ROLE_ID)),
	     id_of(arg(ROLE_VALUE)));
}

static void emit_umask(void)
{
	line("umask(%#o);", (unsigned int)arg(ROLE_VALUE) & 0777);
}

static void emit_limit(void)
{
	if (arg(ROLE_WHAT) == LIMIT_MEMLOCK)
		line("CALL(limit(RLIMIT_MEMLOCK, %u * PAGE));",
		     (unsigned int)arg(ROLE_VALUE) & 0xffff);
	else
		line("CALL(limit(RLIMIT_NOFILE, %u));",
		     (unsigned int)arg(ROLE_VALUE) & 0x3f);
}

static void emit_unshare(void)
{
	line("CALL(unshare(CLONE_NEWIPC));");
}

static void emit_pause(void)
{
	uint64_t ms = arg(ROLE_VALUE);

	line("usleep(%u);", (unsigned int)(ms < 20 ? ms : 20) * 1000);
}

static void emit_join(void)
{
	line("usleep(200000);");
}

static void emit_slow(void)
{
	uint64_t ms = arg(ROLE_VALUE);

	line("CALL(slow_down(%u));", (unsigned int)(ms < 20 ? ms : 20));
}

static void (*const emitters[NR_OPS])(void) = {
	[OP_OPEN] = emit_open,
	[OP_OTHER] = emit_other,
	[OP_CLOSE] = emit_close,
	[OP_DUP] = emit_dup,
	[OP_CLOEXEC] = emit_cloexec,
	[OP_SEND] = emit_send,
	[OP_RECV] = emit_recv,
	[OP_POLL] = emit_poll,
	[OP_FILE] = emit_file,
	[OP_FORK] = emit_fork,
	[OP_EXEC] = emit_exec,
	[OP_EXIT] = emit_exit,
	[OP_KILL] = emit_kill,
	[OP_USER] = emit_user,
	[OP_UMASK] = emit_umask,
	[OP_LIMIT] = emit_limit,
	[OP_UNSHARE] = emit_unshare,
	[OP_PAUSE] = emit_pause,
	[OP_JOIN] = emit_join,
	[OP_SLOW] = emit_slow,
	[OP_MEM] = emit_mem,
	[OP_MAP] = emit_map,
	[OP_UNMAP] = emit_unmap,
	[OP_PROTECT] = emit_protect,
	[OP_MOVE] = emit_move,
	[OP_ADVISE] = emit_advise,
	[OP_READ] = emit_read,
	[OP_WRITE] = emit_write,
	[OP_LOOP] = emit_loop,
	[OP_PEEK] = emit_peek,
	[OP_POKE] = emit_poke,
	[OP_STATUS] = emit_status,
	[OP_PROC] = emit_proc,
	[OP_IOCTL] = emit_ioctl,
	[OP_INFO] = emit_info,
	[OP_CREATE] = emit_create,
	[OP_REBIND] = emit_rebind,
	[OP_PUBLISH] = emit_publish,
	[OP_REPUBLISH] = emit_republish,
	[OP_UNPUBLISH] = emit_unpublish,
	[OP_DESTROY] = emit_destroy,
	[OP_CONNECT] = emit_connect,
	[OP_PUT] = emit_put,
	[OP_GET] = emit_get,
	[OP_ATOMIC] = emit_atomic,
	[OP_POST] = emit_post,
	[OP_WAIT] = emit_wait,
	[OP_LOCK] = emit_lock,
	[OP_UNLOCK] = emit_unlock,
	[OP_GRANT] = emit_grant,
	[OP_REDEEM] = emit_redeem,
	[OP_FIND] = emit_find,
	[OP_NODES] = emit_nodes,
	[OP_FENCE] = emit_fence,
};

static void emit_step(unsigned int i)
{
	char text[512];

	step_print(step, text, sizeof(text));
	printf("\n/* %s */\nstatic void step_%u(void)\n{\n", text, i);
	if (arg(ROLE_FAIL) && find_param(step->op, ROLE_FAIL))
		line("fail_nth(%s);", number(arg(ROLE_FAIL)));
	emitters[step->op]();
	puts("}");
}

/* Processes that others make are not there from the start. */
static unsigned int forked(const struct prog *prog)
{
	unsigned int i, mask = 0;

	for (i = 0; i < prog->count; i++)
		if (prog->steps[i].op == OP_FORK &&
		    prog->steps[i].arg[ROLE_TO] != prog->steps[i].proc)
			mask |= 1U << prog->steps[i].arg[ROLE_TO];
	return mask;
}

static void emit_table(const struct prog *prog)
{
	static const char *const modes[] = { "MAIN", "ASYNC", "CHILD", "VM" };
	unsigned int i;

	printf("\n#define FORKED %#x\n", forked(prog));

	puts("\nstatic const struct step steps[] = {");
	for (i = 0; i < prog->count; i++)
		line("{ step_%u, %u, %s },", i, prog->steps[i].proc,
		     modes[prog->steps[i].mode]);
	puts("};\n");
}

static void emit_prog(const struct prog *prog)
{
	unsigned int i;

	fputs(before_steps, stdout);
	for (i = 0; i < prog->count; i++) {
		step = &prog->steps[i];
		emit_step(i);
	}
	emit_table(prog);
	fputs(after_steps, stdout);
}

int main(int argc, char **argv)
{
	FILE *file = argc == 2 ? fopen(argv[1], "re") : NULL;
	char text[MAX_TEXT];
	struct prog prog;
	size_t size;

	if (!file) {
		fputs("usage: fuzz2c FILE\n\nPrints a program of the fuzzer in C.\n",
		      stderr);
		return 2;
	}
	size = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (!prog_parse(&prog, text, size, true)) {
		fprintf(stderr, "fuzz2c: %s is no program\n", argv[1]);
		return 2;
	}
	emit_prog(&prog);
	return 0;
}
