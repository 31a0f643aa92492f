/* nn/plan.c - where values, gradients and notes of each node lie in a frame's memory. */
#include "nn/nn.h"

#include <stdlib.h>
#include <string.h>

/* A stretch of memory from one step to another: steps 1..N forward, N + 1 the loss, then
 * back. */
typedef struct stretch {
    size_t birth, death, floats, at;
    bool used;
} stretch;

typedef struct planner {
    plan *p;
    const net *g;
    size_t *step;     /* of a node's forward; 0: not in this plan */
    size_t *uses;     /* of a root, by any live node */
    size_t loss, end; /* steps */
    int32_t *value_owner, *slope_owner;
    stretch *value, *slope, *notes; /* by owner */
    /* Values that are computed again: by owner, and the first node on the way back that needs them. */
    bool *repeats;
    stretch *again;
    int32_t *needed_by;
} planner;

static const net_node *node_of(const planner *l, int32_t id)
{
    return &l->g->nodes[id];
}

static int32_t root_of(const planner *l, int32_t id)
{
    return l->g->nodes[id].root;
}

static size_t step_back(const planner *l, int32_t id)
{
    return 2 * l->loss - l->step[id];
}

static size_t floats_of(const planner *l, const net_node *v)
{
    size_t n = (v->pair ? l->p->pairs : l->p->rows) * v->size;
    return (n + 15) / 16 * 16;
}

static bool in_part(const planner *l, const net_node *v)
{
    return l->p->part == PART_ALL || v->pair == (l->p->part == PART_TRUNK);
}

static void pick_nodes(planner *l)
{
    for (size_t i = 0; i < l->g->n_order; i++) {
        const net_node *v = node_of(l, l->g->order[i]);
        for (uint32_t k = 0; k < v->n_in; k++)
            l->uses[root_of(l, v->in[k])]++;
        if (!in_part(l, v))
            continue;
        l->p->order[l->p->n_order++] = v->id;
        l->step[v->id] = l->p->n_order;
    }
    l->loss = l->p->n_order + 1;
    l->end = l->p->mode == PLAN_EVALUATE ? l->loss : 2 * l->loss;
}

/* A gradient is wanted where weights (training) or theta lie upstream. */
static void pick_wanted(planner *l)
{
    bool *wanted = l->p->wanted;
    wanted[NODE_THETA] = l->p->mode == PLAN_GRADIENT;
    for (size_t i = 0; i < l->p->n_order && l->p->mode != PLAN_EVALUATE; i++) {
        const net_node *v = node_of(l, l->p->order[i]);
        wanted[v->id] = l->p->mode == PLAN_TRAIN && v->weight >= 0;
        for (uint32_t k = 0; k < v->n_in; k++)
            wanted[v->id] |= wanted[root_of(l, v->in[k])];
    }
}

/* Walk back: the first writer of a gradient sets it, or clears it first where it writes a
 * part. */
static int pick_edges(planner *l)
{
    bool *seen = arena_alloc(l->p->memory, l->g->n_nodes, sizeof *seen);
    if (!seen)
        return fail(NRE_ENOMEM, "no memory for the network's plan");
    for (size_t i = l->p->n_order; i-- > 0;) {
        const net_node *v = node_of(l, l->p->order[i]);
        uint8_t *edge = arena_alloc(l->p->memory, v->n_in, 1);
        if (!edge)
            return fail(NRE_ENOMEM, "no memory for the network's plan");
        l->p->edge[v->id] = edge;
        for (uint32_t k = 0; k < v->n_in; k++) {
            int32_t root = root_of(l, v->in[k]);
            bool whole = node_of(l, v->in[k])->size == node_of(l, root)->size;
            if (!l->p->wanted[v->id] || !l->p->wanted[root])
                edge[k] = EDGE_NONE;
            else
                edge[k] = seen[root] ? EDGE_ADD : whole ? EDGE_SET : EDGE_CLEAR;
            seen[root] |= edge[k] != EDGE_NONE;
        }
    }
    return NRE_OK;
}

/* May V overwrite the value of its input? */
static bool takes_value(const planner *l, const net_node *v)
{
    if (!OPS[v->op].in_place)
        return false;
    const net_node *u = node_of(l, root_of(l, v->in[0]));
    bool back = l->p->mode != PLAN_EVALUATE;
    return l->step[u->id] > 0 && l->uses[u->id] == 1 && u->size == v->size &&
           u->pair == v->pair && !(back && op_keeps_output(u)) &&
           !(back && op_keeps_input(v, 0, l->p->mode));
}

/* May the gradient of V's input overwrite V's own? */
static bool gives_slope(const planner *l, const net_node *v)
{
    return OPS[v->op].in_place && l->p->edge[v->id][0] == EDGE_SET &&
           l->uses[root_of(l, v->in[0])] == 1 && l->step[root_of(l, v->in[0])] > 0;
}

static void pick_owners(planner *l)
{
    for (size_t i = 0; i < l->g->n_nodes; i++)
        l->value_owner[i] = l->slope_owner[i] = (int32_t)i;
    for (size_t i = 0; i < l->p->n_order; i++) {
        const net_node *v = node_of(l, l->p->order[i]);
        if (takes_value(l, v))
            l->value_owner[v->id] = l->value_owner[root_of(l, v->in[0])];
    }
    for (size_t i = l->p->n_order; i-- > 0;) {
        const net_node *v = node_of(l, l->p->order[i]);
        if (gives_slope(l, v))
            l->slope_owner[root_of(l, v->in[0])] = l->slope_owner[v->id];
    }
}

/* In the place of a batch norm: an activation, or the sum with a value that is kept. */
static bool follows_norm(const planner *l, const net_node *v)
{
    return v->op == OP_ACTIVATE ||
           (v->op == OP_ADD && !l->repeats[l->value_owner[root_of(l, v->in[1])]]);
}

/* Batch norm and what follows in its place need nothing but its input, which is kept: they are
 * cheap to compute again, and their values are much of what a network with many of them would
 * keep.  The input of a batch norm is read at the barrier too, and kept.  In a chain of residual
 * blocks every second sum is computed again, from the one before. */
static void pick_repeats(planner *l)
{
    for (size_t i = 0; i < l->p->n_order; i++) {
        const net_node *v = node_of(l, l->p->order[i]);
        int32_t owner = l->value_owner[v->id];
        if (owner != v->id)
            l->repeats[owner] &= follows_norm(l, v);
        else
            l->repeats[owner] =
                l->p->mode == PLAN_TRAIN && v->op == OP_BATCH_NORM && l->p->wanted[v->id];
        if (v->op == OP_BATCH_NORM)
            l->repeats[l->value_owner[root_of(l, v->in[0])]] = false;
    }
}

static void live_at(stretch *s, size_t step, size_t floats)
{
    if (!s->used || step < s->birth)
        s->birth = step;
    if (!s->used || step > s->death)
        s->death = step;
    s->used = true;
    s->floats = floats > s->floats ? floats : s->floats;
}

/* The value of OWNER is read when V goes back. */
static void live_back(planner *l, int32_t owner, const net_node *v)
{
    stretch *s = l->repeats[owner] ? &l->again[owner] : &l->value[owner];
    size_t step = step_back(l, v->id);
    if (l->repeats[owner] && (!s->used || step < s->birth))
        l->needed_by[owner] = v->id;
    live_at(s, step, l->value[owner].floats);
}

/* Steps at which V's inputs are read and their gradients written. */
static void note_inputs(planner *l, const net_node *v)
{
    for (uint32_t k = 0; k < v->n_in; k++) {
        const net_node *u = node_of(l, root_of(l, v->in[k]));
        if (l->step[u->id] > 0 || (u->op == OP_INPUT && l->p->part == PART_ALL)) {
            stretch *s = &l->value[l->value_owner[u->id]];
            live_at(s, l->step[v->id], floats_of(l, u));
            if (l->p->wanted[v->id] && op_keeps_input(v, k, l->p->mode))
                live_back(l, l->value_owner[u->id], v);
        }
        if (l->p->edge[v->id][k] != EDGE_NONE)
            live_at(&l->slope[l->slope_owner[u->id]], step_back(l, v->id),
                    floats_of(l, u));
    }
}

static void note_node(planner *l, const net_node *v)
{
    stretch *s = &l->value[l->value_owner[v->id]];
    live_at(s, l->step[v->id], floats_of(l, v));
    if (l->p->wanted[v->id] && op_keeps_output(v))
        live_back(l, l->value_owner[v->id], v);
    if (l->p->wanted[v->id])
        live_at(&l->slope[l->slope_owner[v->id]], step_back(l, v->id), floats_of(l, v));
    if (OPS[v->op].notes) {
        size_t a_row = OPS[v->op].notes(v), rows = v->pair ? l->p->pairs : l->p->rows;
        size_t floats = (a_row * rows + 15) / 16 * 16;
        live_at(&l->notes[v->id], l->step[v->id], floats);
        if (l->p->wanted[v->id])
            live_at(&l->notes[v->id], step_back(l, v->id), floats);
    }
}

/* What is needed beyond the nodes: inputs from the start, results until the end. */
static void note_ends(planner *l)
{
    for (int32_t id = NODE_X; id <= NODE_THETA; id++) {
        if (l->p->part == PART_ALL)
            live_at(&l->value[id], 0, floats_of(l, node_of(l, id)));
        if (l->p->wanted[id])
            live_at(&l->slope[id], l->end, floats_of(l, node_of(l, id)));
    }
    const net_node *logit = node_of(l, l->g->logit);
    if (l->step[logit->id] > 0) {
        live_at(&l->value[l->value_owner[logit->id]], l->loss, 0);
        if (l->p->wanted[logit->id])
            live_at(&l->slope[l->slope_owner[logit->id]], l->loss, floats_of(l, logit));
    }
    for (size_t i = 0; i < l->g->n_order; i++) {
        const net_node *v = node_of(l, l->g->order[i]);
        for (uint32_t k = 0; k < v->n_in && !in_part(l, v); k++) {
            int32_t root = root_of(l, v->in[k]);
            if (l->step[root] > 0)
                live_at(&l->value[l->value_owner[root]], l->end, 0);
        }
    }
}

/* The lowest place where S meets no stretch that lives at the same time.  PLACED is
 * sorted by place. */
static void place(plan *p, stretch *s, size_t *n, stretch **placed)
{
    size_t at = 0, k;
    for (k = 0; k < *n; k++) {
        const stretch *o = placed[k];
        bool together = o->birth <= s->death && s->birth <= o->death;
        if (together && o->at < at + s->floats && at < o->at + o->floats)
            at = o->at + o->floats;
    }
    s->at = at;
    for (k = *n; k > 0 && placed[k - 1]->at > at; k--)
        placed[k] = placed[k - 1];
    placed[k] = s;
    ++*n;
    if (at + s->floats > p->floats)
        p->floats = at + s->floats;
}

static int place_all(planner *l)
{
    size_t n_nodes = l->g->n_nodes, n = 0;
    stretch **placed = arena_alloc(l->p->memory, 4 * n_nodes, sizeof(stretch *));
    if (!placed)
        return fail(NRE_ENOMEM, "no memory for the network's plan");
    for (size_t i = 0; i < n_nodes; i++) {
        stretch *all[4] = {&l->value[i], &l->slope[i], &l->notes[i], &l->again[i]};
        for (size_t k = 0; k < 4; k++)
            if (all[k]->used)
                place(l->p, all[k], &n, placed);
    }
    for (size_t i = 0; i < n_nodes; i++) {
        const stretch *v = &l->value[l->value_owner[i]],
                      *s = &l->slope[l->slope_owner[i]],
                      *again = &l->again[l->value_owner[i]];
        l->p->again[i] = again->used ? again->at : NOWHERE;
        l->p->value[i] = v->used ? v->at : NOWHERE;
        l->p->slope[i] = s->used && l->p->wanted[i] ? s->at : NOWHERE;
        l->p->notes[i] = l->notes[i].used ? l->notes[i].at : NOWHERE;
    }
    return NRE_OK;
}

/* What each node has to have computed again, in the order of the way forward. */
static int list_redos(planner *l)
{
    for (size_t i = 0; i < l->p->n_order; i++) {
        int32_t id = l->p->order[i], owner = l->value_owner[id];
        if (!l->again[owner].used)
            continue;
        int32_t by = l->needed_by[owner];
        const net_node *v = node_of(l, id);
        if (v->op == OP_ADD)
            live_at(&l->value[l->value_owner[root_of(l, v->in[1])]], step_back(l, by), 0);
        if (!l->p->redo[by])
            l->p->redo[by] =
                arena_alloc(l->p->memory, l->p->n_order, sizeof **l->p->redo);
        if (!l->p->redo[by])
            return fail(NRE_ENOMEM, "no memory for the network's plan");
        l->p->redo[by][l->p->n_redo[by]++] = id;
    }
    return NRE_OK;
}

static bool allocate(planner *l)
{
    size_t n = l->g->n_nodes;
    arena *a = l->p->memory;
    l->step = arena_alloc(a, n, sizeof *l->step);
    l->uses = arena_alloc(a, n, sizeof *l->uses);
    l->value_owner = arena_alloc(a, n, sizeof *l->value_owner);
    l->slope_owner = arena_alloc(a, n, sizeof *l->slope_owner);
    l->value = arena_alloc(a, n, sizeof *l->value);
    l->slope = arena_alloc(a, n, sizeof *l->slope);
    l->notes = arena_alloc(a, n, sizeof *l->notes);
    l->repeats = arena_alloc(a, n, sizeof *l->repeats);
    l->again = arena_alloc(a, n, sizeof *l->again);
    l->needed_by = arena_alloc(a, n, sizeof *l->needed_by);
    plan *p = l->p;
    p->order = arena_alloc(a, n, sizeof *p->order);
    p->value = arena_alloc(a, n, sizeof *p->value);
    p->slope = arena_alloc(a, n, sizeof *p->slope);
    p->notes = arena_alloc(a, n, sizeof *p->notes);
    p->again = arena_alloc(a, n, sizeof *p->again);
    p->n_redo = arena_alloc(a, n, sizeof *p->n_redo);
    p->redo = arena_alloc(a, n, sizeof *p->redo);
    p->edge = arena_alloc(a, n, sizeof *p->edge);
    p->wanted = arena_alloc(a, n, sizeof *p->wanted);
    return l->step && l->uses && l->value_owner && l->slope_owner && l->value &&
           l->slope && l->notes && l->repeats && l->again && l->needed_by && p->order &&
           p->value && p->slope && p->notes && p->again && p->n_redo && p->redo &&
           p->edge && p->wanted;
}

static int plan_all(planner *l)
{
    if (!allocate(l))
        return fail(NRE_ENOMEM, "no memory for the network's plan");
    pick_nodes(l);
    pick_wanted(l);
    int status = pick_edges(l);
    if (status)
        return status;
    pick_owners(l);
    pick_repeats(l);
    for (size_t i = 0; i < l->p->n_order; i++) {
        note_inputs(l, node_of(l, l->p->order[i]));
        note_node(l, node_of(l, l->p->order[i]));
    }
    note_ends(l);
    status = list_redos(l);
    return status ? status : place_all(l);
}

int plan_new(const net *g, plan_mode mode, plan_part part, size_t rows, size_t pairs,
             plan **out)
{
    *out = NULL;
    plan *p = calloc(1, sizeof *p);
    if (p)
        p->memory = arena_new();
    if (!p || !p->memory) {
        free(p);
        return fail(NRE_ENOMEM, "no memory for the network's plan");
    }
    p->g = g;
    p->mode = mode;
    p->part = part;
    p->rows = rows;
    p->pairs = pairs;
    int status = plan_all(&(planner){.p = p, .g = g});
    if (status)
        plan_free(p);
    else
        *out = p;
    return status;
}

void plan_free(plan *p)
{
    if (!p)
        return;
    arena_free(p->memory);
    free(p);
}
