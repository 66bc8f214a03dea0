/* Open-addressing hash maps; a slot is free while val is NULL. No deletion: owners clear whole maps. */
#include "base/map.h"
#include "base/arena.h"
#include <stdlib.h>
#include <string.h>

struct xkd_map_slot {
	uint64_t key; /* string maps: the hash */
	const char *skey;
	void *val;
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	x *= 0xc4ceb9fe1a85ec53ULL;
	return x ^ x >> 33;
}

static uint64_t hash_str(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ULL;
	return mix(h);
}

void xkd_map_init_u64(struct xkd_map *m)
{
	*m = (struct xkd_map){ 0 };
}

void xkd_map_init_str(struct xkd_map *m)
{
	*m = (struct xkd_map){ .strings = true };
}

void xkd_map_fini(struct xkd_map *m)
{
	free(m->slots);
	m->slots = NULL;
	m->n = m->cap = 0;
}

void xkd_map_clear(struct xkd_map *m)
{
	if (m->cap)
		memset(m->slots, 0, m->cap * sizeof(*m->slots));
	m->n = 0;
}

static struct xkd_map_slot *slot_of(const struct xkd_map *m, uint64_t key, const char *skey)
{
	size_t i = (size_t)(m->strings ? key : mix(key)) & (m->cap - 1);

	for (;; i = (i + 1) & (m->cap - 1)) {
		struct xkd_map_slot *s = &m->slots[i];

		if (!s->val)
			return s;
		if (s->key == key && (!m->strings || !strcmp(s->skey, skey)))
			return s;
	}
}

static void grow(struct xkd_map *m)
{
	struct xkd_map old = *m;
	size_t i;

	m->cap = old.cap ? old.cap * 2 : 64;
	m->slots = xkd_calloc(m->cap, sizeof(*m->slots));
	for (i = 0; i < old.cap; i++)
		if (old.slots[i].val)
			*slot_of(m, old.slots[i].key, old.slots[i].skey) = old.slots[i];
	free(old.slots);
}

static void put(struct xkd_map *m, uint64_t key, const char *skey, void *val)
{
	struct xkd_map_slot *s;

	if (m->n * 4 >= m->cap * 3)
		grow(m);
	s = slot_of(m, key, skey);
	if (!s->val)
		m->n++;
	*s = (struct xkd_map_slot){ key, skey, val };
}

void *xkd_map_get(const struct xkd_map *m, uint64_t key)
{
	return m->cap ? slot_of(m, key, NULL)->val : NULL;
}

void xkd_map_put(struct xkd_map *m, uint64_t key, void *val)
{
	put(m, key, NULL, val);
}

void *xkd_map_get_str(const struct xkd_map *m, const char *key)
{
	return m->cap ? slot_of(m, hash_str(key), key)->val : NULL;
}

void xkd_map_put_str(struct xkd_map *m, const char *key, void *val)
{
	put(m, hash_str(key), key, val);
}

bool xkd_map_next(const struct xkd_map *m, size_t *it, uint64_t *key, const char **skey, void **val)
{
	for (; *it < m->cap; (*it)++) {
		const struct xkd_map_slot *s = &m->slots[*it];

		if (!s->val)
			continue;
		if (key)
			*key = s->key;
		if (skey)
			*skey = s->skey;
		*val = s->val;
		(*it)++;
		return true;
	}
	return false;
}
