// SPDX-License-Identifier: GPL-2.0-only
/*
 * That the other side knows the key: challenge and response, both ways.
 *
 * It is shown once for a connection, and holds for what was asked for in it.
 * What follows is neither secret nor protected from those who can change what
 * is on the network.
 */
#include <crypto/algapi.h>
#include <linux/err.h>
#include <linux/string.h>

#include "rdma.h"

/**
 * rsm_rdma_auth_init() - get ready to check who knows the key
 * @rctl: the controller
 *
 * Return: 0 or -errno.
 */
int rsm_rdma_auth_init(struct rsm_rdma_ctl *rctl)
{
	struct crypto_shash *hmac;
	int ret;

	if (rctl->hmac)
		crypto_free_shash(rctl->hmac);
	rctl->hmac = NULL;
	if (!rctl->key_length)
		return 0;
	hmac = crypto_alloc_shash("hmac(sha256)", 0, 0);
	if (IS_ERR(hmac))
		return PTR_ERR(hmac);
	ret = crypto_shash_setkey(hmac, rctl->key, rctl->key_length);
	if (ret) {
		crypto_free_shash(hmac);
		return ret;
	}
	rctl->hmac = hmac;
	return 0;
}

/*
 * The HMAC of @name, the request, @length bytes of the reply, and @rest; 0 without
 * a key. Each kind of proof has a name, so that none passes for another.
 */
static int make_mac(struct crypto_shash *hmac, const char *name,
		    const struct rsm_wire_request *request,
		    const struct rsm_wire_reply *reply, size_t length,
		    const void *rest, size_t rest_length, u8 *mac)
{
	SHASH_DESC_ON_STACK(desc, hmac);
	int ret;

	memset(mac, 0, RSM_WIRE_MAC);
	if (!hmac)
		return 0;
	desc->tfm = hmac;
	ret = crypto_shash_init(desc) ?:
	      crypto_shash_update(desc, name, strlen(name) + 1) ?:
	      crypto_shash_update(desc, (const u8 *)request,
				  sizeof(*request)) ?:
	      crypto_shash_update(desc, (const u8 *)reply, length) ?:
	      crypto_shash_update(desc, rest, rest_length) ?:
	      crypto_shash_final(desc, mac);
	shash_desc_zero(desc);
	return ret;
}

static int mac_reply(struct rsm_rdma_ctl *rctl,
		     const struct rsm_wire_request *request,
		     const struct rsm_wire_reply *reply, u8 *mac)
{
	return make_mac(rctl->hmac, "reply", request, reply,
			offsetof(typeof(*reply), mac), NULL, 0, mac);
}

static int mac_open(const struct rsm_rdma_conn *conn,
		    const struct rsm_wire_open *open, u8 *mac)
{
	return make_mac(conn->ctl->hmac, "open", &conn->request, &conn->reply,
			sizeof(conn->reply), &open->id,
			offsetof(typeof(*open), mac) -
				offsetof(typeof(*open), id), mac);
}

/* Fill in the proof in @reply. 0 or -errno */
int rsm_rdma_sign_reply(struct rsm_rdma_ctl *rctl,
			const struct rsm_wire_request *request,
			struct rsm_wire_reply *reply)
{
	return mac_reply(rctl, request, reply, reply->mac);
}

/* Tell if who has sent @reply knows the key. */
bool rsm_rdma_reply_is_good(struct rsm_rdma_ctl *rctl,
			    const struct rsm_wire_request *request,
			    const struct rsm_wire_reply *reply)
{
	u8 mac[RSM_WIRE_MAC];

	if (mac_reply(rctl, request, reply, mac))
		return false;
	return !crypto_memneq(mac, reply->mac, sizeof(mac));
}

/* Fill in the proof in @open. 0 or -errno */
int rsm_rdma_sign_open(const struct rsm_rdma_conn *conn,
		       struct rsm_wire_open *open)
{
	return mac_open(conn, open, open->mac);
}

/* Tell if who has sent @open knows the key. */
bool rsm_rdma_open_is_good(const struct rsm_rdma_conn *conn,
			   const struct rsm_wire_open *open)
{
	u8 mac[RSM_WIRE_MAC];

	if (mac_open(conn, open, mac))
		return false;
	return !crypto_memneq(mac, open->mac, sizeof(mac));
}
