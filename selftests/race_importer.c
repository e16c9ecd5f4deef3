// SPDX-License-Identifier: GPL-2.0-only
/*
 * The suite "race": importers. The first thread of a process connects, and
 * changes mappings; the others use what they find. What is about to be changed
 * has an odd counter, and afterwards another one, so that they know what of
 * their findings to believe. Children go on with a copy.
 */
#include "race.h"

#include <pthread.h>
#include <sys/prctl.h>

#define CONNS 4
#define PIECES 12
#define CHILDREN 2
#define CHILD_STEPS 48
#define CHILD_THREAD 0x100

/**
 * struct conn - a connection
 * @seq: counter of changes
 * @fd: the import, or -1
 * @publication: what it is connected to
 * @pages: length of the segment
 * @rights: what was granted
 * @status: status page, or NULL if the connection is not in use
 */
struct conn {
	uint32_t seq;
	int fd;
	uint32_t publication;
	uint32_t pages;
	__u32 rights;
	const volatile struct rsm_status *status;
};

/**
 * struct piece - a part of a mapping
 * @seq: counter of changes
 * @conn: connection
 * @mem: where it is
 * @first: first page of the segment
 * @count: number of pages, 0 if it is not in use
 * @prot: protection
 */
struct piece {
	uint32_t seq;
	unsigned int conn;
	char *mem;
	uint32_t first, count;
	int prot;
};

static struct importer {
	struct race *race;
	int ctl;
	struct conn conns[CONNS];
	struct piece pieces[PIECES];
	pid_t children[CHILDREN];
	bool is_child;
} importer;

static void begin_change(uint32_t *seq)
{
	__atomic_add_fetch(seq, 1, __ATOMIC_SEQ_CST);
}

static void end_change(uint32_t *seq)
{
	__atomic_add_fetch(seq, 1, __ATOMIC_SEQ_CST);
}

static size_t bytes(uint32_t pages)
{
	return pages * rsm_page_size();
}

static int result(void *mem)
{
	return mem == MAP_FAILED ? -errno : 0;
}

/* Views */

static void view_conn(const struct conn *conn, struct race_view *view)
{
	view->publication = conn->publication;
	view->segment = importer.race->publication[conn->publication].segment;
	view->rights = conn->rights;
	view->fd = conn->fd;
	view->status = conn->status;
	view->mem = NULL;
	view->first = 0;
	view->prot = PROT_NONE;
	view->count = conn->pages;
}

static void view_piece(const struct piece *piece, struct race_view *view)
{
	view->mem = (uint64_t *)piece->mem;
	view->first = piece->first;
	view->count = piece->count;
	view->prot = piece->prot;
}

/* Take a view of something at random: false if that is nothing just now. */
static bool take_view(struct race_worker *worker, struct race_view *view)
{
	const struct piece *piece =
		&importer.pieces[race_random(worker, PIECES)];
	const struct conn *conn = &importer.conns[race_random(worker, CONNS)];
	bool mapped = race_random(worker, 4);

	view->worker = worker;
	if (mapped) {
		view->seen[1] = race_get32(&piece->seq);
		conn = &importer.conns[piece->conn];
	}
	view->seq[0] = &conn->seq;
	view->seen[0] = race_get32(&conn->seq);
	view->seq[1] = mapped ? &piece->seq : &conn->seq;
	if (!mapped)
		view->seen[1] = view->seen[0];
	view_conn(conn, view);
	if (mapped)
		view_piece(piece, view);
	return view->status && view->count &&
	       !(view->seen[0] & 1) && !(view->seen[1] & 1) &&
	       race_view_same(view);
}

/* Of a connection that does not change, as its thread is the caller. */
static void stable_view(struct race_worker *worker, const struct conn *conn,
			struct race_view *view)
{
	*view = (struct race_view){
		.worker = worker,
		.seq = { &conn->seq, &conn->seq },
		.seen = { conn->seq, conn->seq },
	};
	view_conn(conn, view);
}

/* Pieces */

static struct piece *free_piece(void)
{
	unsigned int i;

	for (i = 0; i < PIECES; i++)
		if (!importer.pieces[i].count)
			return &importer.pieces[i];
	return NULL;
}

static struct piece *pick_piece(struct race_worker *worker)
{
	unsigned int i, at = race_random(worker, PIECES);

	for (i = 0; i < PIECES; i++, at = (at + 1) % PIECES)
		if (importer.pieces[at].count)
			return &importer.pieces[at];
	return NULL;
}

static void set_piece(struct piece *piece, const struct piece *to)
{
	uint32_t seq = piece->seq;

	*piece = *to;
	piece->seq = seq;
}

static void add_piece(struct piece *piece, const struct piece *to)
{
	begin_change(&piece->seq);
	set_piece(piece, to);
	end_change(&piece->seq);
}

/* Pages [from, from + count) of a piece. */
static struct piece part_of(const struct piece *piece, uint32_t from,
			    uint32_t count)
{
	struct piece part = *piece;

	part.mem += bytes(from);
	part.first += from;
	part.count = count;
	return part;
}

/* Make three pieces of one, the middle one at random, if there is room. */
static void cut(struct race_worker *worker, struct piece *piece)
{
	uint32_t from = race_random(worker, piece->count);
	uint32_t count = 1 + race_random(worker, piece->count - from);
	struct piece head = part_of(piece, 0, from);
	struct piece middle = part_of(piece, from, count);
	struct piece tail = part_of(piece, from + count,
				    piece->count - from - count);
	struct piece *room = free_piece();

	if (!room || !race_random(worker, 3))
		return;
	begin_change(&piece->seq);
	if (tail.count) {
		add_piece(room, &tail);
		room = free_piece();
	}
	if (head.count && !room)
		middle = part_of(piece, 0, from + count);
	else if (head.count)
		add_piece(room, &head);
	set_piece(piece, &middle);
	end_change(&piece->seq);
}

/* Connections */

static bool is_mapped(unsigned int conn)
{
	unsigned int i;

	for (i = 0; i < PIECES; i++)
		if (importer.pieces[i].count && importer.pieces[i].conn == conn)
			return true;
	return false;
}

/* The status page stays as long as somebody may look at the mappings. */
static void tidy_up(void)
{
	struct conn *conn;
	unsigned int i;

	for (i = 0; i < CONNS; i++) {
		conn = &importer.conns[i];
		if (!conn->status || conn->fd >= 0 || is_mapped(i))
			continue;
		begin_change(&conn->seq);
		munmap((void *)conn->status, rsm_page_size());
		conn->status = NULL;
		end_change(&conn->seq);
	}
}

static struct conn *free_conn(void)
{
	unsigned int i;

	for (i = 0; i < CONNS; i++)
		if (!importer.conns[i].status)
			return &importer.conns[i];
	return NULL;
}

static struct conn *pick_conn(struct race_worker *worker)
{
	unsigned int i, at = race_random(worker, CONNS);

	for (i = 0; i < CONNS; i++, at = (at + 1) % CONNS)
		if (importer.conns[at].status && importer.conns[at].fd >= 0)
			return &importer.conns[at];
	return NULL;
}

static void add_conn(struct conn *conn, int fd, uint32_t publication,
		     __u32 rights)
{
	struct race *race = importer.race;
	const volatile struct rsm_status *status = rsm_map_status(fd);

	if (status == MAP_FAILED) {
		close(fd);
		return;
	}
	begin_change(&conn->seq);
	conn->fd = fd;
	conn->publication = publication;
	conn->pages = race->segment[race->publication[publication].segment]
		      .pages;
	conn->rights = rights;
	conn->status = status;
	end_change(&conn->seq);
}

static __u32 pick_rights(struct race_worker *worker)
{
	switch (race_random(worker, 8)) {
	case 0:
		return RSM_RIGHT_WRITE;
	case 1:
		return RSM_RIGHT_READ;
	}
	return RSM_RIGHT_READ | RSM_RIGHT_WRITE;
}

/* When a publication is known to have ended, or 0. */
static uint64_t ended(uint32_t publication)
{
	struct race *race = importer.race;
	uint32_t segment = race->publication[publication].segment;

	return race_get64(&race->publication[publication].ended) ?:
	       race_get64(&race->segment[segment].ended);
}

static void connect_to(struct race_worker *worker, struct conn *conn)
{
	struct race *race = importer.race;
	const uint32_t *shown =
		&race->slots[race_random(worker, RACE_EXPORTERS)]
			    [race_random(worker, RACE_SLOTS)].publication;
	uint32_t publication = race_get32(shown);
	uint64_t late = ended(publication);
	__u32 rights = pick_rights(worker), error = 0;
	int fd, ret;

	if (!publication)
		return;
	ret = rsm_connect(importer.ctl, 0, 0,
			  race->publication[publication].segid, rights, &fd,
			  &error);
	if (race_result(worker, RACE_CONNECT, ret, error))
		return;
	/* Another one may have the same name by now. */
	if (race->publication[publication].named &&
	    race_get32(shown) != publication) {
		close(fd);
		return;
	}
	if (late)
		race_breach(worker, RACE_SUCCESS, publication, late, 0, 0);
	add_conn(conn, fd, publication, rights);
}

static int receive_ticket(struct race_ticket *ticket)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { ticket, sizeof(*ticket) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	int fd = -1;

	if (recvmsg(importer.race->tickets[1], &msg,
		    MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(*ticket) ||
	    !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

static void redeem(struct race_worker *worker, struct conn *conn)
{
	__u32 rights = pick_rights(worker), error = 0;
	struct race_ticket ticket;
	int fd, ret, with = receive_ticket(&ticket);
	uint64_t late;

	if (with < 0)
		return;
	late = ended(ticket.publication);
	ret = rsm_redeem(with, rights, &fd, &error);
	close(with);
	worker->op = RACE_REDEEM;
	if (rights & ~ticket.rights) {
		if (ret != -EACCES || error != RSM_ERR_PERM_DENIED)
			race_breach(worker, RACE_ERROR, -ret, error, rights, 0);
		return;
	}
	if (race_result(worker, RACE_REDEEM, ret, error))
		return;
	if (late)
		race_breach(worker, RACE_SUCCESS, ticket.publication, late, 0,
			    0);
	add_conn(conn, fd, ticket.publication, rights);
}

/* Mappings stay when the descriptor goes. */
static void disconnect(struct race_worker *worker, struct conn *conn)
{
	int fd = conn->fd;

	begin_change(&conn->seq);
	conn->fd = -1;
	close(fd);
	end_change(&conn->seq);
	race_result(worker, RACE_DISCONNECT, 0, 0);
	tidy_up();
}

/* Mappings */

static int pick_prot(struct race_worker *worker)
{
	return race_random(worker, 3) ? PROT_READ | PROT_WRITE : PROT_READ;
}

/* What the rights of an import say about a mapping with @prot. */
static bool may_map(const struct conn *conn, int prot)
{
	if (!(conn->rights & RSM_RIGHT_READ))
		return false;
	return !(prot & PROT_WRITE) || conn->rights & RSM_RIGHT_WRITE;
}

/* What must fail has. */
static void expect_refusal(struct race_worker *worker, enum race_op op, int ret,
			   int err)
{
	worker->op = op;
	if (ret != -err)
		race_breach(worker, ret ? RACE_ERROR : RACE_SUCCESS, -ret, 0,
			    err, 0);
}

/* Map a part of @conn to @piece, which may be there already. */
static void map(struct race_worker *worker, struct conn *conn,
		struct piece *piece, struct piece to)
{
	struct race_before before;
	struct race_view view;
	char *mem;

	stable_view(worker, conn, &view);
	race_before(&view, &before);
	begin_change(&piece->seq);
	mem = mmap(to.mem, bytes(to.count), to.prot,
		   MAP_SHARED | (to.mem ? MAP_FIXED : 0), conn->fd,
		   bytes(to.first));
	/* In the place of another one what was there has gone, or has not. */
	if (mem == MAP_FAILED && to.mem)
		munmap(to.mem, bytes(to.count));
	if (!may_map(conn, to.prot))
		expect_refusal(worker, RACE_MAP, result(mem), EACCES);
	else
		race_call(&view, &before, RACE_MAP, result(mem), 0);
	to.mem = mem;
	to.conn = conn - importer.conns;
	if (mem == MAP_FAILED)
		to.count = 0;
	set_piece(piece, &to);
	end_change(&piece->seq);
	tidy_up();
}

static void map_new(struct race_worker *worker)
{
	struct conn *conn = pick_conn(worker);
	struct piece *piece = free_piece();
	struct piece to = { .prot = pick_prot(worker) };

	if (!conn || !piece)
		return;
	to.count = conn->pages;
	if (race_random(worker, 2)) {
		to.first = race_random(worker, conn->pages);
		to.count = 1 + race_random(worker, conn->pages - to.first);
	}
	map(worker, conn, piece, to);
}

static void map_over(struct race_worker *worker)
{
	struct piece *piece = pick_piece(worker);
	struct conn *conn = pick_conn(worker);
	struct piece to;

	if (!conn || !piece || conn->pages < piece->count)
		return;
	to = *piece;
	to.prot = pick_prot(worker);
	to.first = race_random(worker, conn->pages - piece->count + 1);
	map(worker, conn, piece, to);
}

static void unmap(struct race_worker *worker, struct piece *piece)
{
	int ret;

	cut(worker, piece);
	begin_change(&piece->seq);
	ret = munmap(piece->mem, bytes(piece->count)) ? -errno : 0;
	piece->count = 0;
	end_change(&piece->seq);
	race_result(worker, RACE_UNMAP, ret, 0);
	tidy_up();
}

static void move(struct race_worker *worker, struct piece *piece)
{
	size_t size;
	uint32_t left;
	char *to, *mem;

	cut(worker, piece);
	size = bytes(piece->count);
	left = piece->count;
	if (!race_random(worker, 4))
		left = 1 + race_random(worker, piece->count);
	to = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (to == MAP_FAILED)
		return;
	begin_change(&piece->seq);
	mem = mremap(piece->mem, size, bytes(left),
		     MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (left < piece->count)
		munmap(to + bytes(left), size - bytes(left));
	race_result(worker, RACE_MOVE, result(mem), 0);
	if (mem == MAP_FAILED) {
		munmap(piece->mem, size);
		munmap(to, bytes(left));
		left = 0;
	}
	piece->mem = mem;
	piece->count = left;
	end_change(&piece->seq);
	tidy_up();
}

static void protect(struct race_worker *worker, struct piece *piece)
{
	const struct conn *conn = &importer.conns[piece->conn];
	int prot = race_random(worker, 3) ? pick_prot(worker) : PROT_NONE;
	int ret;

	cut(worker, piece);
	begin_change(&piece->seq);
	ret = mprotect(piece->mem, bytes(piece->count), prot) ? -errno : 0;
	if (!may_map(conn, prot))
		expect_refusal(worker, RACE_PROTECT, ret, EACCES);
	else
		race_result(worker, RACE_PROTECT, ret, 0);
	if (!ret)
		piece->prot = prot;
	end_change(&piece->seq);
}

/* What can never be done to a mapping. */
static void overdo(struct race_worker *worker, struct piece *piece)
{
	size_t size = bytes(piece->count);
	int fd = importer.conns[piece->conn].fd;
	void *mem;
	int ret;

	switch (race_random(worker, 4)) {
	case 0:
		mem = mremap(piece->mem, size, size + bytes(1), MREMAP_MAYMOVE);
		expect_refusal(worker, RACE_MOVE, result(mem), EFAULT);
		break;
	case 1:
		mem = mremap(piece->mem, 0, size, MREMAP_MAYMOVE);
		expect_refusal(worker, RACE_MOVE, result(mem), EFAULT);
		break;
	case 2:
		ret = mprotect(piece->mem, size, PROT_READ | PROT_EXEC);
		expect_refusal(worker, RACE_PROTECT, ret ? -errno : 0, EACCES);
		break;
	default:
		if (fd < 0)
			return;
		mem = mmap(NULL, bytes(1), PROT_READ | PROT_EXEC, MAP_SHARED,
			   fd, 0);
		/* Some kernels run nothing from the files of such inodes. */
		ret = result(mem) == -EPERM ? -EACCES : result(mem);
		expect_refusal(worker, RACE_MAP, ret, EACCES);
	}
}

/* Steps */

static void step(struct race_worker *worker);

static int run_child(const struct race_worker *parent)
{
	uint64_t steps = parent->random % CHILD_STEPS;
	struct race_worker worker;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	importer.is_child = true;
	race_worker_init(&worker, importer.race, parent->process, parent->life,
			 CHILD_THREAD + parent->step);
	while (worker.step < steps && race_goes_on(importer.race))
		step(&worker);
	return 0;
}

/* Make children, end some of them, and wait for those that have ended. */
static void fork_child(struct race_worker *worker)
{
	pid_t *child = &importer.children[race_random(worker, CHILDREN)];

	if (importer.is_child)
		return;
	if (*child > 0) {
		if (!race_random(worker, 3))
			kill(*child, SIGKILL);
		if (waitpid(*child, NULL, WNOHANG))
			*child = 0;
		return;
	}
	*child = fork();
	if (!*child)
		_exit(run_child(worker));
	race_result(worker, RACE_FORK, *child < 0 ? -errno : 0, 0);
}

static void change_piece(struct race_worker *worker, struct piece *piece)
{
	switch (race_random(worker, 12)) {
	case 0 ... 3:
		unmap(worker, piece);
		break;
	case 4 ... 7:
		move(worker, piece);
		break;
	case 8 ... 10:
		protect(worker, piece);
		break;
	default:
		overdo(worker, piece);
	}
}

static void change_conn(struct race_worker *worker)
{
	struct conn *conn = free_conn();

	if (!conn || !race_random(worker, 5)) {
		conn = pick_conn(worker);
		if (conn)
			disconnect(worker, conn);
	} else if (race_random(worker, 3)) {
		connect_to(worker, conn);
	} else {
		redeem(worker, conn);
	}
}

static void step(struct race_worker *worker)
{
	struct race_view view;
	struct piece *piece;

	race_next_step(worker);
	switch (race_random(worker, 32)) {
	case 0 ... 4:
		change_conn(worker);
		break;
	case 5 ... 9:
		map_new(worker);
		break;
	case 10:
		map_over(worker);
		break;
	case 11 ... 17:
		piece = pick_piece(worker);
		if (piece)
			change_piece(worker, piece);
		break;
	case 18:
		fork_child(worker);
		break;
	default:
		if (take_view(worker, &view))
			race_read(&view);
	}
}

static void *run_reader(void *arg)
{
	struct race_worker *worker = arg;
	struct race_view view;

	while (race_goes_on(importer.race)) {
		race_next_step(worker);
		if (take_view(worker, &view))
			race_read(&view);
	}
	return NULL;
}

static void end_children(void)
{
	unsigned int i;

	for (i = 0; i < CHILDREN; i++) {
		if (importer.children[i] <= 0)
			continue;
		kill(importer.children[i], SIGKILL);
		waitpid(importer.children[i], NULL, 0);
	}
}

/* An importer's process. */
int race_import(struct race *race, unsigned int process, unsigned int life)
{
	static struct race_worker workers[1 + RACE_READERS];
	pthread_t threads[1 + RACE_READERS];
	unsigned int i;

	importer.race = race;
	importer.ctl = rsm_open();
	for (i = 0; i < CONNS; i++)
		importer.conns[i].fd = -1;
	if (importer.ctl < 0 || race_catch_faults())
		return 1;
	for (i = 0; i <= RACE_READERS; i++)
		race_worker_init(&workers[i], race, process, life, i);
	for (i = 1; i <= RACE_READERS; i++)
		if (pthread_create(&threads[i], NULL, run_reader, &workers[i]))
			return 1;
	while (race_goes_on(race))
		step(&workers[0]);
	for (i = 1; i <= RACE_READERS; i++)
		pthread_join(threads[i], NULL);
	end_children();
	return 0;
}
