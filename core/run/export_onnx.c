/* An estimator as one ONNX model of raw theta and x: what standardises them is part of it. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

static const char *op_1(onnx *m, const char *type, const char *a)
{
    return onnx_op(m, type, NULL, 1, &a);
}

static const char *op_2(onnx *m, const char *type, const char *a, const char *b)
{
    const char *in[] = {a, b};
    return onnx_op(m, type, NULL, 2, in);
}

static const char *choice(onnx *m, const char *where, const char *yes, const char *no)
{
    const char *in[] = {where, yes, no};
    return onnx_op(m, "Where", NULL, 3, in);
}

static const char *cast(onnx *m, const char *value, onnx_type to)
{
    const char *out = op_1(m, "Cast", value);
    onnx_set_int(m, "to", to);
    return out;
}

/* Columns FROM .. TO - 1 of N. */
static const char *columns_of(onnx *m, const char *value, size_t from, size_t to,
                              size_t n)
{
    int64_t first = (int64_t)from, behind = (int64_t)to, axis = 1;
    if (to - from == n)
        return value;
    const char *in[] = {value, onnx_integers(m, 1, &first), onnx_integers(m, 1, &behind),
                        onnx_integers(m, 1, &axis)};
    return onnx_op(m, "Slice", NULL, 4, in);
}

static const char *side_by_side(onnx *m, size_t n, const char *const *parts)
{
    if (n == 1)
        return parts[0];
    const char *all = onnx_op(m, "Concat", NULL, n, parts);
    onnx_set_int(m, "axis", 1);
    return all;
}

/* theta: in double, as in target_standardise */

static bool by_log(const target *t, uint32_t i)
{
    double centre, deviation;
    return target_natural(t, i, &centre, &deviation);
}

/* Logarithms where the prior's scale is one. */
static const char *natural(onnx *m, const target *t, const char *theta, arena *a)
{
    const char **parts = arena_alloc(a, t->n, sizeof *parts);
    size_t n = 0;
    for (uint32_t from = 0, to; parts && from < t->n; from = to) {
        for (to = from + 1; to < t->n && by_log(t, to) == by_log(t, from); to++)
            ;
        const char *part = columns_of(m, theta, from, to, t->n);
        parts[n++] = by_log(t, from) ? op_1(m, "Log", part) : part;
    }
    return parts ? side_by_side(m, n, parts) : NULL;
}

static const char *theta_standard(onnx *m, const target *t, const char *theta, arena *a)
{
    double *centre = arena_alloc(a, t->n, sizeof *centre),
           *deviation = arena_alloc(a, t->n, sizeof *deviation);
    if (!centre || !deviation)
        return NULL;
    for (uint32_t i = 0; i < t->n; i++)
        target_natural(t, i, &centre[i], &deviation[i]);
    const char *s = natural(m, t, theta, a);
    s = op_2(m, "Sub", s, onnx_tensor(m, "theta.centre", ONNX_F64, 1, &t->n, centre));
    s = op_2(m, "Div", s,
             onnx_tensor(m, "theta.deviation", ONNX_F64, 1, &t->n, deviation));
    return cast(m, s, ONNX_F32);
}

/* x: as in scaling_apply */

/* The format has no log1p, which would lose digits in float. */
static const char *on_scale(onnx *m, uint8_t scale, const char *x)
{
    switch (scale) {
    case NRE_SCALE_LOG:
        return op_1(m, "Log", x);
    case NRE_SCALE_LOG1P:
        x = op_2(m, "Add", cast(m, x, ONNX_F64), onnx_number(m, ONNX_F64, 1));
        return cast(m, op_1(m, "Log", x), ONNX_F32);
    case NRE_SCALE_ASINH:
        return op_1(m, "Asinh", x);
    default:
        return x;
    }
}

/* What is no number counts as low. */
static const char *clamped(onnx *m, const char *z)
{
    const char *low = onnx_number(m, ONNX_F32, -SCALING_CLAMP),
               *high = onnx_number(m, ONNX_F32, SCALING_CLAMP);
    return op_2(m, "Min", choice(m, op_2(m, "GreaterOrEqual", z, low), z, low), high);
}

/* Columns without variance are 0, whatever they hold. */
static const char *varying(onnx *m, const scaling *c, size_t from, size_t to,
                           const char *name, const char *z, arena *a)
{
    uint32_t n = (uint32_t)(to - from);
    uint8_t *varies = arena_alloc(a, n, 1);
    bool all = true;
    for (uint32_t j = 0; varies && j < n; j++)
        all &= varies[j] = c->inverse[from + j] > 0;
    if (!varies || all)
        return varies ? z : NULL;
    const char *where = onnx_tensor(m, arena_print(a, "%s.varies.%zu", name, from),
                                    ONNX_BOOL, 1, &n, varies);
    return choice(m, where, z, onnx_number(m, ONNX_F32, 0));
}

/* Columns FROM .. TO - 1, all on one scale. */
static const char *run_standard(onnx *m, const scaling *c, size_t from, size_t to,
                                const char *name, const char *x, arena *a)
{
    uint32_t n = (uint32_t)(to - from);
    const char *z = columns_of(m, x, from, to, c->n_x);
    if (c->scale[from] == NRE_SCALE_NONE)
        return z;
    z = on_scale(m, c->scale[from], z);
    z = op_2(m, "Sub", z,
             onnx_tensor(m, arena_print(a, "%s.mean.%zu", name, from), ONNX_F32, 1, &n,
                         c->mean + from));
    z = op_2(m, "Mul", z,
             onnx_tensor(m, arena_print(a, "%s.inverse_deviation.%zu", name, from),
                         ONNX_F32, 1, &n, c->inverse + from));
    return clamped(m, varying(m, c, from, to, name, z, a));
}

static const char *x_standard(onnx *m, const scaling *c, const char *name, const char *x,
                              arena *a)
{
    const char **parts = arena_alloc(a, c->n_x, sizeof *parts);
    size_t n = 0;
    for (size_t from = 0, to; parts && from < c->n_x; from = to) {
        for (to = from + 1; to < c->n_x && c->scale[to] == c->scale[from]; to++)
            ;
        parts[n++] = run_standard(m, c, from, to, name, x, a);
    }
    return parts ? side_by_side(m, n, parts) : NULL;
}

static bool scalings_equal(const scaling *a, const scaling *b)
{
    return a->n_x == b->n_x && !memcmp(a->scale, b->scale, a->n_x * sizeof *a->scale) &&
           !memcmp(a->mean, b->mean, a->n_x * sizeof *a->mean) &&
           !memcmp(a->inverse, b->inverse, a->n_x * sizeof *a->inverse);
}

/* the whole */

static const char *member_logit(onnx *m, const export_request *e, size_t i,
                                const char *theta, const char *x, const char *z, arena *a)
{
    const net *g = e->session->nets[e->target];
    bool alone = e->n == 1;
    const char *prefix = alone ? "" : arena_print(a, "member_%zu.", e->first + i);
    if (i > 0 && !scalings_equal(e->scalings[i], e->scalings[0]))
        z = x_standard(m, e->scalings[i], arena_print(a, "%sx", prefix), x, a);
    return onnx_net(m, g, e->values[i], e->values[i] + net_n_weights(g), prefix, theta,
                    z);
}

static void add_facts(onnx *m, const json_t *facts)
{
    for (void *i = json_object_iter((json_t *)(uintptr_t)facts); i;
         i = json_object_iter_next((json_t *)(uintptr_t)facts, i))
        onnx_note(m, json_object_iter_key(i),
                  json_string_value(json_object_iter_value(i)));
}

/* The mean over members of their logits, as in ratio_of_networks. */
static void add_graph(onnx *m, const export_request *e, arena *a)
{
    const target *t = &e->session->targets[e->target];
    const char *theta = onnx_input(m, "theta", ONNX_F64, t->n);
    const char *x = onnx_input(m, "x", ONNX_F32, (uint32_t)e->scalings[0]->n_x);
    const char *standard = theta_standard(m, t, theta, a);
    const char *z = x_standard(m, e->scalings[0], "x", x, a);
    const char **logit = arena_alloc(a, e->n, sizeof *logit);
    for (size_t i = 0; logit && i < e->n; i++)
        logit[i] = member_logit(m, e, i, standard, x, z, a);
    onnx_output(m, "log_ratio",
                !logit      ? NULL
                : e->n == 1 ? logit[0]
                            : onnx_op(m, "Mean", NULL, e->n, logit));
}

int export_onnx(const export_request *e, const json_t *facts, const char *path)
{
    onnx *m = NULL;
    arena *a = arena_new();
    int rc = a ? onnx_new(NEREID_VERSION, &m)
               : fail(NRE_ENOMEM, "no memory for an ONNX model");
    if (!rc) {
        add_facts(m, facts);
        add_graph(m, e, a);
        rc = onnx_save(m, path);
    }
    onnx_free(m);
    arena_free(a);
    return rc;
}
