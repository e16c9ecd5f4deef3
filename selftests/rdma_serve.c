// SPDX-License-Identifier: GPL-2.0-only
/*
 * usage: rdma_serve
 *
 * Exports a segment and does what is put into it, for rdma_nodes.c. Ends when
 * it is told to, or when nobody has told it anything for some minutes.
 */
#define RSM_REMOTE
#include "rsm_utils.h"

#include "rdma_serve.h"

/* As long as the other side has to notice that it is cut off */
#define CUT_MS 12000

/*
 * What this machine has to say to the first one goes to nobody. (The link is not
 * taken down: what rxe cannot send then puts its queue pair for management in an
 * error state, in which it stays, and nobody can connect any more.)
 */
#define NOBODY "arp -s 10.0.0.1 02:00:00:00:00:99"
#define SOMEBODY "arp -d 10.0.0.1"

#define PATIENCE_NS 240000000000ULL

struct served {
	struct rsm_scene scene;
	int fd;
	char *mem[2];
	int current;
};

static long *word(const struct served *served, size_t offset)
{
	return (long *)(served->mem[served->current] + offset);
}

static int serve(struct served *served)
{
	__u32 id = SERVE_ID(served->scene.node);
	int ret;

	ret = rsm_create(served->scene.fd, served->scene.controller,
			 served->mem[0], SERVE_LENGTH, RSM_EXPORT_ALLOW_REBIND,
			 &served->fd, NULL);
	if (!ret)
		ret = rsm_publish(served->fd, &id, NULL, 0, NULL);
	*word(served, SERVE_NODE) = served->scene.node;
	return ret;
}

static void rebind(struct served *served)
{
	long rebinds = *word(served, SERVE_REBINDS) + 1;
	long failed = *word(served, SERVE_FAILED);

	served->current = !served->current;
	memset(word(served, 0), 0, SERVE_DATA);
	*word(served, SERVE_NODE) = served->scene.node;
	*word(served, SERVE_FAILED) = failed;
	if (rsm_rebind(served->fd, served->mem[served->current], SERVE_LENGTH,
		       NULL))
		++*word(served, SERVE_FAILED);
	*word(served, SERVE_REBINDS) = rebinds;
}

static void cut(struct served *served)
{
	long end = rsm_now_ms() + CUT_MS;

	if (system(NOBODY))
		return;
	while (rsm_now_ms() < end) {
		if (!rsm_stat("imports"))
			*word(served, SERVE_IMPORTS) = SERVE_NONE;
		rsm_sleep_ms(10);
	}
	if (system(SOMEBODY))
		perror("rdma_serve: arp");
}

/* An exit status, or -1 */
static int obey(struct served *served)
{
	long what = __atomic_exchange_n(word(served, SERVE_ORDER), 0,
					__ATOMIC_SEQ_CST);

	switch (what) {
	case SERVE_POST:
		rsm_post(served->fd, 0, NULL);
		break;
	case SERVE_REBIND:
		rebind(served);
		break;
	case SERVE_EXIT:
		return SERVE_AGAIN;
	case SERVE_STOP:
		return SERVE_DONE;
	case SERVE_CUT:
		cut(served);
		break;
	case SERVE_DIE:
		rsm_file_write("/proc/sysrq-trigger", "b");
	}
	return -1;
}

int main(void)
{
	struct served served = {
		.mem = { rsm_alloc(SERVE_LENGTH), rsm_alloc(SERVE_LENGTH) },
	};
	int status;

	if (rsm_scene_open(&served.scene) || serve(&served)) {
		perror("rdma_serve");
		return 1;
	}
	do {
		if (rsm_take(served.fd, PATIENCE_NS, NULL)) {
			perror("rdma_serve: nobody says anything");
			return 2;
		}
		status = obey(&served);
	} while (status < 0);
	return status;
}
