/* infer/ratio_network.c - the mean of the log ratios of trained networks. */
#include "infer/infer.h"

#include <stdlib.h>
#include <string.h>

typedef struct networks {
    ratio base; /* first */
    size_t n;
    model **model;     /* [n] */
    scaling **scaling; /* [n] */
} networks;

typedef struct networks_worker {
    size_t n;
    model_worker **of; /* [n] */
    room x, theta, derivative, logit, gradient, head;
} networks_worker;

static const networks *networks_of(const ratio *r)
{
    return (const networks *)(const void *)r;
}

static void worker_free(void *own)
{
    networks_worker *w = own;
    for (size_t i = 0; i < w->n; i++)
        model_worker_free(w->of[i]);
    free(w->of);
    room_release(&w->x);
    room_release(&w->theta);
    room_release(&w->derivative);
    room_release(&w->logit);
    room_release(&w->gradient);
    room_release(&w->head);
    free(w);
}

static int worker_make(const ratio *r, void **own)
{
    const networks *s = networks_of(r);
    networks_worker *w = memory_new(1, sizeof *w);
    model_worker **of = memory_new(s->n, sizeof *of);
    if (!w || !of) {
        free(w);
        free(of);
        return fail(NRE_ENOMEM, "no memory for a worker of %zu networks", s->n);
    }
    *w = (networks_worker){.n = s->n, .of = of};
    for (size_t i = 0; i < s->n; i++) {
        int status = model_worker_new(s->model[i], &of[i]);
        if (status != NRE_OK) {
            worker_free(w);
            return status;
        }
    }
    *own = w;
    return NRE_OK;
}

/* The heads of all rows lie together, one network after another. */
static int observe(const ratio *r, void *own, size_t n, const float *x, observed *o)
{
    const networks *s = networks_of(r);
    networks_worker *w = own;
    size_t width = 0;
    for (size_t i = 0; i < s->n; i++)
        width += model_head_size(s->model[i]);
    float *z = room_take(&w->x, n, r->n_x * sizeof *z);
    float *head = room_take(&o->row, n, width * sizeof *head);
    if (!z || !head)
        return fail(NRE_ENOMEM, "no memory for %zu observed rows", n);
    for (size_t i = 0; i < s->n; i++) {
        scaling_apply(s->scaling[i], n, x, z, NULL);
        int status = model_head(s->model[i], w->of[i], n, z, head);
        if (status != NRE_OK)
            return status;
        head += n * model_head_size(s->model[i]);
    }
    return NRE_OK;
}

static int take_rooms(networks_worker *w, size_t pairs, size_t d, bool gradient)
{
    bool ok = room_take(&w->theta, pairs, d * sizeof(float)) &&
              room_take(&w->logit, pairs, sizeof(float));
    if (gradient)
        ok = ok && room_take(&w->derivative, pairs, d * sizeof(double)) &&
             room_take(&w->gradient, pairs, d * sizeof(float));
    return ok ? NRE_OK
              : fail(NRE_ENOMEM, "no memory for %zu pairs of theta and x", pairs);
}

/* Heads of some rows of o: N of them from FIRST on with PER_X thetas each, or, where ROW is not
 * NULL, those of ROW [n] with one each. */
typedef struct pairs {
    const observed *o;
    size_t first, n, per_x;
    const size_t *row;
} pairs;

/* Of the network whose heads, WIDTH floats a row, begin at FROM. */
static const float *heads_of(networks_worker *w, const pairs *p, const float *from,
                             size_t width)
{
    if (!p->row)
        return from + p->first * width;
    float *head = room_take(&w->head, p->n, (width + 1) * sizeof *head);
    for (size_t i = 0; head && i < p->n; i++)
        memcpy(head + i * width, from + p->row[i] * width, width * sizeof *head);
    return head;
}

static int evaluate_some(const networks *s, networks_worker *w, const pairs *p,
                         const double *theta, double *log_ratio, double *gradient)
{
    size_t d = s->base.target->n, n = p->n * p->per_x;
    int status = take_rooms(w, n, d, gradient != NULL);
    if (status != NRE_OK)
        return status;
    float *logit = w->logit.at, *slope = gradient ? w->gradient.at : NULL;
    double *derivative = gradient ? w->derivative.at : NULL, share = 1 / (double)s->n;
    const float *from = p->o->row.at;

    target_standardise(s->base.target, n, theta, w->theta.at, derivative);
    memset(log_ratio, 0, n * sizeof *log_ratio);
    if (gradient)
        memset(gradient, 0, n * d * sizeof *gradient);
    for (size_t m = 0; m < s->n; m++) {
        size_t width = model_head_size(s->model[m]);
        const float *head = heads_of(w, p, from, width);
        if (!head)
            return fail(NRE_ENOMEM, "no memory for the heads of %zu rows", p->n);
        status = model_trunk(s->model[m], w->of[m], p->n, p->per_x, head, w->theta.at,
                             logit, slope);
        if (status != NRE_OK)
            return status;
        for (size_t i = 0; i < n; i++)
            log_ratio[i] += share * (double)logit[i];
        for (size_t i = 0; gradient && i < n * d; i++)
            gradient[i] += share * (double)slope[i] * derivative[i];
        from += p->o->n * width;
    }
    return NRE_OK;
}

static int evaluate(const ratio *r, void *own, const observed *o, size_t first, size_t n,
                    size_t per_x, const double *theta, double *log_ratio,
                    double *gradient)
{
    const pairs some = {.o = o, .first = first, .n = n, .per_x = per_x};
    return evaluate_some(networks_of(r), own, &some, theta, log_ratio, gradient);
}

static int evaluate_pairs(const ratio *r, void *own, const observed *o, size_t n,
                          const size_t *row, const double *theta, double *log_ratio,
                          double *gradient)
{
    const pairs some = {.o = o, .n = n, .per_x = 1, .row = row};
    return evaluate_some(networks_of(r), own, &some, theta, log_ratio, gradient);
}

static void networks_free(ratio *r)
{
    networks *s = (networks *)(void *)r;
    free(s->model);
    free(s->scaling);
    free(s);
}

static const ratio_kind NETWORKS = {.worker = worker_make,
                                    .worker_free = worker_free,
                                    .observe = observe,
                                    .evaluate = evaluate,
                                    .free = networks_free,
                                    .pairs = evaluate_pairs};

int ratio_of_networks(const target *t, size_t n_members, model *const *members,
                      scaling *const *scalings, ratio **out)
{
    if (n_members == 0)
        return fail(NRE_EINVAL, "a ratio of networks needs at least one network");
    networks *s = memory_new(1, sizeof *s);
    model **model_copy = memory_new(n_members, sizeof(model *));
    scaling **scaling_copy = memory_new(n_members, sizeof(scaling *));
    if (!s || !model_copy || !scaling_copy) {
        free(s);
        free(model_copy);
        free(scaling_copy);
        return fail(NRE_ENOMEM, "no memory for a ratio of %zu networks", n_members);
    }
    memcpy(model_copy, members, n_members * sizeof *members);
    memcpy(scaling_copy, scalings, n_members * sizeof *scalings);
    *s = (networks){.base = {.kind = &NETWORKS,
                             .target = t,
                             .n_x = scalings[0]->n_x,
                             .normalised = true,
                             .has_gradient = true},
                    .n = n_members,
                    .model = model_copy,
                    .scaling = scaling_copy};
    for (size_t i = 0; i < n_members; i++)
        s->base.flops += model_flops(members[i]);
    *out = &s->base;
    return NRE_OK;
}
