/* infer/profile.c - log r along one parameter, at its best over the target's others. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_ROUNDS = 100, BLOCK = 2048, MOST_DIM = 3 };
static const double FIRST_STEP = 8;       /* cells of the grid */
static const double LAST_STEP = 1.0 / 64; /* its error in log r is of second order */
static const double NUDGE = 1e-12; /* prior mass between a support's end and a point */

/* A value of the parameter and the best of the others so far. */
typedef struct seeker {
    double u[MOST_DIM]; /* prior mass below each parameter */
    double step;        /* cells */
    double value;       /* log r */
    double *theta;      /* [dim], the caller's */
} seeker;

typedef struct search {
    const profile_request *request;
    uint32_t dim;
    size_t n_trials; /* neighbours that a seeker tries at once */
    double cell[MOST_DIM];
    double *theta, *value; /* [BLOCK][dim], [BLOCK] */
    double (*u)[MOST_DIM]; /* [BLOCK] */
} search;

/* Log r, and a density with a pole, are not asked for at the very ends. */
static double inside(const marginal *one, double t)
{
    return fmin(fmax(t, cell_quantile(one, NUDGE)), cell_quantile(one, 1 - NUDGE));
}

static const marginal *parameter(const search *s, uint32_t k)
{
    return target_marginal(s->request->grid->target, k);
}

static int log_ratio_of(const profile_request *r, size_t n, const double *theta,
                        double *value)
{
    uint32_t dim = r->grid->dim;
    int status = NRE_OK;
    for (size_t done = 0; done < n && status == NRE_OK; done += BLOCK) {
        size_t some = n - done < BLOCK ? n - done : BLOCK;
        status = ratio_joint(r->posterior->ratio, r->worker, r->observed, r->row,
                             r->n_rows, some, theta + done * dim, value + done, NULL);
    }
    return status;
}

/* Trial T of S is the neighbour whose offsets along the other axes are the digits of T to base 3;
 * the middle one is S itself and left out. */
static void lay_trial(const search *s, const seeker *from, size_t t, size_t at)
{
    uint32_t k = s->request->parameter;
    t += t >= s->n_trials / 2;
    for (uint32_t j = 0; j < s->dim; j++) {
        double *theta = &s->theta[at * s->dim + j];
        s->u[at][j] = from->u[j];
        *theta = from->theta[j];
        if (j == k)
            continue;
        double moved = from->u[j] + ((double)(t % 3) - 1) * from->step * s->cell[j];
        s->u[at][j] = fmin(fmax(moved, NUDGE), 1 - NUDGE);
        *theta = cell_quantile(parameter(s, j), s->u[at][j]);
        t /= 3;
    }
}

/* To the best of its trials, which lie at AT and on; where none is better nearer ones are next. */
static void move(const search *s, seeker *one, size_t at)
{
    size_t best = at;
    for (size_t i = at; i < at + s->n_trials; i++)
        best = s->value[i] > s->value[best] ? i : best;
    if (!(s->value[best] > one->value)) {
        one->step /= 2;
        return;
    }
    one->value = s->value[best];
    memcpy(one->u, s->u[best], sizeof one->u);
    memcpy(one->theta, s->theta + best * s->dim, s->dim * sizeof(double));
}

/* One step of as many seekers as fit in a block, from *NEXT on. */
static int step_some(const search *s, size_t n, seeker *all, size_t *next)
{
    size_t listed = 0, who[BLOCK];
    for (; *next < n && (listed + 1) * s->n_trials <= BLOCK; ++*next) {
        if (all[*next].step < LAST_STEP)
            continue;
        for (size_t t = 0; t < s->n_trials; t++)
            lay_trial(s, &all[*next], t, listed * s->n_trials + t);
        who[listed++] = *next;
    }
    int status = log_ratio_of(s->request, listed * s->n_trials, s->theta, s->value);
    for (size_t i = 0; status == NRE_OK && i < listed; i++)
        move(s, &all[who[i]], i * s->n_trials);
    return status;
}

/* Of every cell along the parameter's axis the best cell of the whole grid. */
static void best_cells(const grid *g, uint32_t k, size_t *best)
{
    size_t stride = 1;
    for (uint32_t j = g->dim - 1; j > k; j--)
        stride *= g->m;
    for (size_t i = 0; i < g->m; i++)
        best[i] = i * stride;
    for (size_t i = 0; i < g->n; i++) {
        size_t *at = &best[i / stride % g->m];
        *at = g->log_ratio[i] > g->log_ratio[*at] ? i : *at;
    }
}

static size_t cell_along(const grid *g, uint32_t k, double t)
{
    const double *edge = g->edge + k * (g->m + 1);
    size_t low = 0, high = g->m;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        *(t < edge[middle] ? &high : &low) = middle;
    }
    return low;
}

/* Above VALUE of the parameter, at the best cell of the grid beside it. */
static void place_seeker(const search *s, const size_t *best, double value, seeker *one)
{
    const grid *g = s->request->grid;
    uint32_t k = s->request->parameter;
    size_t cell = best[cell_along(g, k, value)];
    one->step = FIRST_STEP;
    for (uint32_t j = s->dim; j-- > 0; cell /= g->m) {
        one->u[j] = g->box[j][0] + ((double)(cell % g->m) + 0.5) * s->cell[j];
        one->theta[j] = g->axis[j * g->m + cell % g->m];
    }
    one->theta[k] = inside(parameter(s, k), value);
}

static int seek(search *s, size_t n, const double *value, seeker *all, size_t *best,
                double *theta, double *log_ratio)
{
    const grid *g = s->request->grid;
    best_cells(g, s->request->parameter, best);
    for (size_t i = 0; i < n; i++) {
        all[i].theta = theta + i * s->dim;
        place_seeker(s, best, value[i], &all[i]);
    }
    int status = log_ratio_of(s->request, n, theta, log_ratio);
    for (size_t i = 0; i < n; i++)
        all[i].value = log_ratio[i];
    for (int round = 0; status == NRE_OK && round < MOST_ROUNDS && s->n_trials; round++)
        for (size_t next = 0; status == NRE_OK && next < n;)
            status = step_some(s, n, all, &next);
    for (size_t i = 0; i < n; i++)
        log_ratio[i] = all[i].value;
    return status;
}

int profile_of(const profile_request *r, size_t n, const double *value, double *theta,
               double *log_ratio)
{
    const grid *g = r->grid;
    search s = {.request = r,
                .dim = g->dim,
                .n_trials = g->dim == 3   ? 8
                            : g->dim == 2 ? 2
                                          : 0};
    if (g->dim < 1 || g->dim > MOST_DIM || g->m == 0 || r->parameter >= g->dim)
        return fail(NRE_EINVAL, "a profile needs a grid and one of its parameters");
    for (uint32_t j = 0; j < g->dim; j++)
        s.cell[j] = (g->box[j][1] - g->box[j][0]) / (double)g->m;
    seeker *all = memory_new(n, sizeof *all);
    size_t *best = memory_new(g->m, sizeof *best);
    s.theta = memory_new(BLOCK, (g->dim + 1) * sizeof *s.theta);
    s.value = s.theta ? s.theta + BLOCK * g->dim : NULL;
    s.u = memory_new(BLOCK, sizeof *s.u);
    int status = all && best && s.theta && s.u
                     ? seek(&s, n, value, all, best, theta, log_ratio)
                     : fail(NRE_ENOMEM, "no memory for a profile of %zu points", n);
    free(s.u);
    free(s.theta);
    free(best);
    free(all);
    return status;
}
