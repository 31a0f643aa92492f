/* infer/region.c - sets of theta that an observation leaves: is this theta in it? */
#include "infer/infer.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = 4096,   /* points a call of the ratio */
    ALONE = 2049,   /* points of a profile without other parameters */
    AMONG = 257,    /* with others, which are searched for at each */
    FINE = 4096,    /* pieces of a marginal */
    PROFILE_DIM = 3 /* parameters that profile.c takes */
};
static const double TAIL = 1e-9; /* prior mass that an infinite support is cut at */

/* A function of one parameter between two ends: points ascending, and two that stand for the ends
 * of the support (or of the grid's box). */
typedef struct region_curve {
    size_t n;
    double ends[2];
    double *t, *y; /* [n] */
    double *theta; /* [n][dim] of a profile: its best points */
} region_curve;

/* spans */

void spans_release(spans *s)
{
    free(s->at);
    *s = (spans){0};
}

static int spans_room(size_t n, spans *out)
{
    *out = (spans){0};
    out->at = memory_new(n > 0 ? n : 1, sizeof *out->at);
    return out->at ? NRE_OK : fail(NRE_ENOMEM, "no memory for a region");
}

static bool spans_hold(const spans *s, double t)
{
    for (size_t i = 0; i < s->n; i++)
        if (t >= s->at[i][0] && t <= s->at[i][1])
            return true;
    return false;
}

/* Where y passes LEVEL between two points, linear; halfway where one of them is infinite. */
static double crossing(const region_curve *c, size_t i, double level)
{
    double a = c->y[i] - level, b = c->y[i + 1] - level;
    double share = isfinite(a) && isfinite(b) && a != b ? a / (a - b) : 0.5;
    return c->t[i] + fmin(fmax(share, 0), 1) * (c->t[i + 1] - c->t[i]);
}

/* { t : y(t) <= level }. */
static int spans_below(const region_curve *c, double level, spans *out)
{
    int status = spans_room(c->n / 2 + 1, out);
    for (size_t i = 0; status == NRE_OK && i < c->n; i++) {
        if (!(c->y[i] <= level))
            continue;
        double *span = out->at[out->n++];
        span[0] = i == 0 ? c->ends[0] : crossing(c, i - 1, level);
        while (i + 1 < c->n && c->y[i + 1] <= level)
            i++;
        span[1] = i + 1 == c->n ? c->ends[1] : crossing(c, i, level);
    }
    return status;
}

/* joint regions: decided by standings */

static int check_rule(const region_rule *r, uint32_t dim)
{
    if (!(r->level > 0 && r->level < 1))
        return fail(NRE_EINVAL, "a region of level %g: a level lies in (0, 1)", r->level);
    if (!(r->bias >= 0 && r->level + r->bias < 1))
        return fail(NRE_EINVAL,
                    "a region of level %g with bias %g: the bias is at least 0 and their "
                    "sum below 1",
                    r->level, r->bias);
    if (r->kind == REGION_BY_NEYMAN && !r->neyman)
        return fail(NRE_EINVAL, "a Neyman set needs critical values");
    if (r->kind >= REGION_HDI && r->parameter >= dim)
        return fail(NRE_EINVAL, "a region of parameter %u of %u", r->parameter, dim);
    return NRE_OK;
}

int region_decides(const region_rule *rule, uint32_t dim, size_t n, const double *theta,
                   const standing *at, uint8_t *inside)
{
    int status = check_rule(rule, dim);
    if (status == NRE_OK && rule->kind == REGION_BY_NEYMAN) {
        double *critical = memory_new(n > 0 ? n : 1, sizeof *critical);
        status = critical ? neyman_critical(rule->neyman, rule->level, n, theta, critical)
                          : fail(NRE_ENOMEM, "no memory for a region");
        for (size_t i = 0; status == NRE_OK && i < n; i++)
            inside[i] = at[i].deviance <= critical[i];
        free(critical);
        return status;
    }
    double threshold = rule->kind == REGION_WILKS ? wilks_threshold(rule->level, dim) : 0;
    for (size_t i = 0; status == NRE_OK && i < n; i++)
        inside[i] = rule->kind == REGION_HPD ? at[i].rank < rule->level + rule->bias
                                             : at[i].deviance <= threshold;
    return status;
}

/* where to climb from */

/* Keep CANDIDATE in the first slots, ordered by VALUE, when it is among the best so far. */
static void keep_best(size_t *n, size_t *point, double *value, size_t candidate, double v)
{
    size_t at = *n < REGION_STARTS ? (*n)++ : REGION_STARTS;

    if (at == REGION_STARTS && !(v > value[REGION_STARTS - 1]))
        return;
    at = at == REGION_STARTS ? REGION_STARTS - 1 : at;
    for (; at > 0 && v > value[at - 1]; at--) {
        point[at] = point[at - 1];
        value[at] = value[at - 1];
    }
    point[at] = candidate;
    value[at] = v;
}

/* No neighbour along an axis is higher: neighbours would climb to the same place. */
static bool is_peak(const grid *g, size_t cell)
{
    size_t stride = 1;

    for (uint32_t k = g->dim; k-- > 0; stride *= g->m) {
        size_t at = cell / stride % g->m;
        if (at > 0 && g->log_ratio[cell - stride] > g->log_ratio[cell])
            return false;
        if (at + 1 < g->m && g->log_ratio[cell + stride] > g->log_ratio[cell])
            return false;
    }
    return true;
}

static void cell_point(const grid *g, size_t cell, double *theta)
{
    for (uint32_t k = g->dim; k-- > 0; cell /= g->m)
        theta[k] = g->axis[k * g->m + cell % g->m];
}

size_t region_starts(const grid *g, const cloud *c, double *start)
{
    size_t n = 0, best[REGION_STARTS];
    double value[REGION_STARTS];

    for (size_t i = 0; g && i < g->n; i++)
        if ((n < REGION_STARTS || g->log_ratio[i] > value[REGION_STARTS - 1]) &&
            is_peak(g, i))
            keep_best(&n, best, value, i, g->log_ratio[i]);
    for (size_t i = 0; !g && c && i < c->n; i++)
        keep_best(&n, best, value, i,
                  isnan(c->log_ratio[i]) ? c->log_density[i] : c->log_ratio[i]);
    for (size_t j = 0; j < n && g; j++)
        cell_point(g, best[j], start + j * g->dim);
    for (size_t j = 0; j < n && !g; j++)
        memcpy(start + j * c->dim, c->theta + best[j] * c->dim, c->dim * sizeof *start);
    return n;
}

/* views */

double region_cells(uint32_t dim)
{
    static const double CELLS[] = {0, 200, 1500, 10000};
    return CELLS[dim <= 3 ? dim : 0];
}

static uint32_t dim_of(const region_view *v)
{
    return posterior_target(v->posterior)->n;
}

static void curves_free(uint32_t dim, region_curve *c)
{
    for (uint32_t k = 0; c && k < dim; k++)
        free(c[k].t);
    free(c);
}

void region_view_release(region_view *v)
{
    free(v->best);
    curves_free(dim_of(v), v->marginal);
    curves_free(dim_of(v), v->profile);
    v->best = NULL;
    v->marginal = v->profile = NULL;
}

int region_view_open(region_view *v)
{
    uint32_t dim = dim_of(v);
    if (!v->grid && !v->cloud)
        return fail(NRE_EINVAL, "regions need a grid or samples");
    double *start = memory_new(REGION_STARTS * (size_t)dim, sizeof *start);
    v->best = memory_new(dim, sizeof *v->best);
    v->marginal = memory_new(dim, sizeof *v->marginal);
    v->profile = memory_new(dim, sizeof *v->profile);
    int status = !start || !v->best || !v->marginal || !v->profile
                     ? fail(NRE_ENOMEM, "no memory for regions")
                 : v->grid ? NRE_OK
                           : cloud_somewhere(v->cloud, v->row);
    if (status == NRE_OK) {
        size_t n = region_starts(v->grid, v->cloud, start);
        status = maximum_of(v->posterior, v->worker, v->observed, v->row, v->n_rows,
                            MAXIMUM_RATIO, n, start, v->best, &v->highest);
    }
    free(start);
    if (status != NRE_OK)
        region_view_release(v);
    return status;
}

static double deviance_of(const region_view *v, double log_ratio)
{
    return log_ratio > -INFINITY ? 2 * fmax(v->highest - log_ratio, 0) : INFINITY;
}

/* log r and, where DENSITY is asked for, log prior + log r of theta [n][dim]: -INFINITY outside the
 * support. */
static int evaluate(const region_view *v, size_t n, const double *theta,
                    double *log_ratio, double *density)
{
    uint32_t dim = dim_of(v);
    double *within = memory_new(BLOCK, (dim + 1) * sizeof *within);
    double *log_prior = within ? within + BLOCK * (size_t)dim : NULL;
    int status = within ? NRE_OK : fail(NRE_ENOMEM, "no memory for a region");
    for (size_t done = 0; status == NRE_OK && done < n; done += BLOCK) {
        size_t some = n - done < BLOCK ? n - done : BLOCK;
        memcpy(within, theta + done * dim, some * dim * sizeof *within);
        status = posterior_log_prior(v->posterior, some, within, log_prior, NULL);
        for (size_t i = 0; status == NRE_OK && i < some; i++)
            if (!(log_prior[i] > -INFINITY)) /* never asked for there */
                memcpy(within + i * dim, v->best, dim * sizeof *within);
        if (status == NRE_OK)
            status = ratio_joint(v->posterior->ratio, v->worker, v->observed, v->row,
                                 v->n_rows, some, within, log_ratio + done, NULL);
        for (size_t i = 0; status == NRE_OK && i < some; i++) {
            if (!(log_prior[i] > -INFINITY))
                log_ratio[done + i] = -INFINITY;
            if (density)
                density[done + i] = log_prior[i] + log_ratio[done + i];
        }
    }
    free(within);
    return status;
}

int standings_of(const region_view *v, size_t n, const double *theta, standing *out)
{
    size_t dim = dim_of(v);
    double *log_ratio = memory_new(n > 0 ? 2 * n : 1, sizeof *log_ratio);
    if (!log_ratio)
        return fail(NRE_ENOMEM, "no memory for a region");
    double *density = log_ratio + n;
    int status = evaluate(v, n, theta, log_ratio, density);
    for (size_t i = 0; status == NRE_OK && i < n; i++)
        out[i] = (standing){
            .deviance = deviance_of(v, log_ratio[i]),
            .rank = v->grid
                        ? grid_rank(v->grid, theta + i * dim, density[i], v->v, v->snap)
                        : cloud_rank(v->cloud, density[i], 1 / v->cloud->effective)};
    free(log_ratio);
    return status;
}

/* HPD: the density that the border has */

typedef struct weighted {
    double density, weight;
} weighted;

static int denser_first(const void *a, const void *b)
{
    double x = ((const weighted *)a)->density, y = ((const weighted *)b)->density;
    return (x < y) - (x > y);
}

/* Rank of points that have the mass DENSER above them and EQUAL at their own density. */
static double rank_of(const region_view *v, double denser, double equal)
{
    if (v->grid)
        return (v->snap ? denser : denser + v->v * equal) / (1 - v->grid->beyond);
    const cloud *c = v->cloud;
    return (c->effective * (denser + c->v * equal) + c->v) / (c->effective + 1);
}

static int find_border(region *g, double mass)
{
    const region_view *v = g->view;
    size_t n = v->grid ? v->grid->n : v->cloud->n;
    const double *density = v->grid ? v->grid->log_density : v->cloud->log_density;
    const double *weight = v->grid ? v->grid->weight : v->cloud->weight;
    double denser = 0;
    weighted *w = memory_new(n, sizeof *w);
    if (!w)
        return fail(NRE_ENOMEM, "no memory for a region");
    for (size_t i = 0; i < n; i++)
        w[i] = (weighted){density[i], weight[i]};
    qsort(w, n, sizeof *w, denser_first);
    g->border = INFINITY;
    g->closed = false;
    size_t i = 0;
    while (i < n && rank_of(v, denser, 0) < mass) {
        double equal = 0;
        g->border = w[i].density;
        for (; i < n && w[i].density == g->border; i++)
            equal += w[i].weight;
        g->closed = rank_of(v, denser, equal) < mass;
        denser += equal;
    }
    if (i == n && rank_of(v, denser, 0) < mass)
        g->border = -INFINITY;
    free(w);
    return NRE_OK;
}

static bool dense_enough(const region *g, double density)
{
    return density > g->border || (g->closed && density == g->border);
}

/* marginals */

/* Of values at the middles of M cells, AT in cells from the first one's edge: the cubic through the
 * four points around, which is continuous. */
static double interpolated(const double *value, size_t m, double at)
{
    double place = fmax(at - 0.5, 0);
    size_t i = (size_t)place;
    i = i + 1 >= m ? m - 2 : i;
    size_t first = i == 0 ? 0 : i + 3 > m ? m - 4 : i - 1;
    const double *y = value + first;
    double s = at - 0.5 - (double)first;
    if (!isfinite(y[0]) || !isfinite(y[1]) || !isfinite(y[2]) || !isfinite(y[3]))
        return value[place - (double)i < 0.5 ? i : i + 1];
    double one = y[1] - y[0], two = y[2] - 2 * y[1] + y[0];
    double three = y[3] - 3 * y[2] + 3 * y[1] - y[0];
    return y[0] + s * (one + (s - 1) / 2 * (two + (s - 2) / 3 * three));
}

/* log of the marginal's density by the parameter, in equal pieces of the box's prior mass; MASS
 * [n] of each piece sums to 1. */
static int marginal_pieces(const region_view *v, uint32_t k, region_curve *out,
                           double **mass)
{
    const grid *g = v->grid;
    const marginal *one = target_marginal(g->target, k);
    size_t parts = g->m < FINE ? FINE / g->m : 1, n = parts * g->m;
    double *value = memory_new(g->m, sizeof *value), most = -INFINITY, sum = 0;
    double *p = memory_new(n, 3 * sizeof *p);
    int status = value && p ? grid_marginal(g, k, value)
                            : fail(NRE_ENOMEM, "no memory for a marginal");
    if (status != NRE_OK) {
        free(value);
        free(p);
        return status;
    }
    *out = (region_curve){
        n, {g->edge[k * (g->m + 1)], g->edge[(k + 1) * (g->m + 1) - 1]}, p, p + n, NULL};
    *mass = p + 2 * n;
    for (size_t i = 0; i < n; i++) {
        double at = ((double)i + 0.5) / (double)parts;
        double u = g->box[k][0] + at / (double)g->m * (g->box[k][1] - g->box[k][0]);
        p[i] = cell_quantile(one, u);
        p[n + i] = interpolated(value, g->m, at);
        most = fmax(most, p[n + i]);
    }
    for (size_t i = 0; i < n; i++) {
        sum += (*mass)[i] = exp(p[n + i] - most);
        p[n + i] += cell_log_prior(one, p[i]) - most;
    }
    for (size_t i = 0; i < n; i++)
        (*mass)[i] /= sum;
    free(value);
    return NRE_OK;
}

static int marginal_curve(region_view *v, uint32_t k, const region_curve **out,
                          const double **mass)
{
    region_curve *c = &v->marginal[k];
    double *kept = NULL;
    int status = c->t ? NRE_OK : marginal_pieces(v, k, c, &kept);
    *out = c;
    *mass = c->t + 2 * c->n;
    return status;
}

/* The lowest density of the pieces that hold the mass LEVEL, densest first. */
static int density_border(const region_curve *c, const double *mass, double level,
                          double *border)
{
    weighted *w = memory_new(c->n, sizeof *w);
    double held = 0;
    if (!w)
        return fail(NRE_ENOMEM, "no memory for a region");
    for (size_t i = 0; i < c->n; i++)
        w[i] = (weighted){c->y[i], mass[i]};
    qsort(w, c->n, sizeof *w, denser_first);
    for (size_t i = 0; i < c->n && held < level; i++) {
        held += w[i].weight;
        *border = w[i].density;
    }
    free(w);
    return NRE_OK;
}

/* A gap narrower than a cell of the grid is none. */
static void close_gaps(const grid *g, uint32_t k, spans *s)
{
    const double *edge = g->edge + k * (g->m + 1);
    size_t kept = 0;
    for (size_t i = 1; i < s->n; i++) {
        size_t cell = 0;
        while (cell + 1 < g->m && edge[cell + 1] < s->at[i][0])
            cell++;
        if (s->at[i][0] - s->at[kept][1] < edge[cell + 1] - edge[cell])
            s->at[kept][1] = s->at[i][1];
        else
            memmove(s->at[++kept], s->at[i], sizeof *s->at);
    }
    s->n = s->n > 0 ? kept + 1 : 0;
}

static int hdi_of_grid(region *g)
{
    const region_curve *c;
    const double *mass;
    double border = -INFINITY;
    int status = marginal_curve(g->view, g->rule.parameter, &c, &mass);
    if (status == NRE_OK)
        status = density_border(c, mass, g->rule.level, &border);
    if (status != NRE_OK)
        return status;
    region_curve below = {.n = c->n, .ends = {c->ends[0], c->ends[1]}, .t = c->t};
    below.y = memory_new(c->n, sizeof *below.y);
    if (!below.y)
        return fail(NRE_ENOMEM, "no memory for a region");
    for (size_t i = 0; i < c->n; i++)
        below.y[i] = -c->y[i];
    status = spans_below(&below, -border, &g->spans);
    if (status == NRE_OK)
        close_gaps(g->view->grid, g->rule.parameter, &g->spans);
    free(below.y);
    return status;
}

/* The parameter's value below which the mass P lies. */
static int quantile_of_grid(region_view *v, uint32_t k, double p, double *out)
{
    const region_curve *c;
    const double *mass;
    double below = 0;
    size_t i = 0;
    int status = marginal_curve(v, k, &c, &mass);
    if (status != NRE_OK)
        return status;
    while (i + 1 < c->n && below + mass[i] < p)
        below += mass[i++];
    double within = mass[i] > 0 ? fmin(fmax((p - below) / mass[i], 0), 1) : 0.5;
    const double *box = v->grid->box[k];
    double u = box[0] + ((double)i + within) / (double)c->n * (box[1] - box[0]);
    *out = cell_quantile(target_marginal(v->grid->target, k), u);
    return NRE_OK;
}

typedef struct drawn {
    double value, weight;
} drawn;

static int by_value(const void *a, const void *b)
{
    double x = ((const drawn *)a)->value, y = ((const drawn *)b)->value;
    return (x > y) - (x < y);
}

static int sorted_draws(const cloud *c, uint32_t k, drawn **out)
{
    *out = memory_new(c->n, sizeof **out);
    if (!*out)
        return fail(NRE_ENOMEM, "no memory for a region");
    for (size_t i = 0; i < c->n; i++)
        (*out)[i] = (drawn){c->theta[i * c->dim + k], c->weight[i]};
    qsort(*out, c->n, sizeof **out, by_value);
    return NRE_OK;
}

/* The shortest range of draws that holds MASS. */
static void shortest(size_t n, const drawn *d, double mass, double out[2])
{
    double held = 0, width = INFINITY;
    out[0] = d[0].value, out[1] = d[n - 1].value;
    for (size_t i = 0, end = 0; i < n; held -= d[i++].weight) {
        while (end < n && held < mass - 1e-12)
            held += d[end++].weight;
        if (held < mass - 1e-12)
            return;
        if (d[end - 1].value - d[i].value < width) {
            width = d[end - 1].value - d[i].value;
            out[0] = d[i].value, out[1] = d[end - 1].value;
        }
    }
}

static double quantile_of_draws(size_t n, const drawn *d, double p)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += d[i].weight;
        if (sum >= p)
            return d[i].value;
    }
    return d[n - 1].value;
}

/* The interval of a kind that is read off the marginal. */
static int marginal_interval(region *g)
{
    double lo, hi, level = g->rule.level, limit = NAN;
    uint32_t k = g->rule.parameter;
    const cloud *c = g->view->cloud;
    drawn *d = NULL;
    bool lower = g->rule.kind == REGION_LOWER;
    if (g->rule.kind == REGION_HDI && g->view->grid)
        return hdi_of_grid(g);
    marginal_support(target_marginal(posterior_target(g->view->posterior), k), &lo, &hi);
    int status = spans_room(1, &g->spans);
    if (status == NRE_OK && g->view->grid)
        status = quantile_of_grid(g->view, k, lower ? 1 - level : level, &limit);
    else if (status == NRE_OK)
        status = sorted_draws(c, k, &d);
    if (status != NRE_OK)
        return status;
    g->spans.n = 1;
    if (d && g->rule.kind == REGION_HDI)
        shortest(c->n, d, level, g->spans.at[0]);
    else {
        limit = d ? quantile_of_draws(c->n, d, lower ? 1 - level : level) : limit;
        g->spans.at[0][0] = lower ? limit : lo;
        g->spans.at[0][1] = lower ? hi : limit;
    }
    free(d);
    return NRE_OK;
}

/* profiles */

static profile_request profile_at(const region_view *v, uint32_t k)
{
    return (profile_request){v->posterior, v->worker, v->observed, v->row, v->n_rows,
                             v->grid,      k};
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Values of parameter K within the grid's box, beyond which the ratio is lower than any set reaches:
 * two thirds at equal prior mass, a third at equal steps in the unbounded space, which see far into
 * the tails of the prior.  How many are left of the N. */
static size_t lay_values(const grid *g, uint32_t k, size_t n, double *out)
{
    const marginal *one = target_marginal(g->target, k);
    double a = fmax(g->box[k][0], TAIL), b = fmin(g->box[k][1], 1 - TAIL);
    bool custom = one->family == NRE_CUSTOM_PRIOR;
    size_t by_mass = custom ? n : 2 * n / 3, kept = 0;
    for (size_t i = 0; i < by_mass; i++)
        out[i] = cell_quantile(one, a + (b - a) * (double)i / (double)(by_mass - 1));
    double low = custom ? 0 : marginal_to_unbounded(one, out[0]);
    double high = custom ? 0 : marginal_to_unbounded(one, out[by_mass - 1]);
    for (size_t i = by_mass; i < n; i++) {
        double share = ((double)(i - by_mass) + 0.5) / (double)(n - by_mass), jacobian,
               slope;
        out[i] =
            marginal_from_unbounded(one, low + share * (high - low), &jacobian, &slope);
    }
    qsort(out, n, sizeof *out, ascending);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || out[i] > out[kept - 1])
            out[kept++] = out[i];
    return kept;
}

/* The root of the profile's deviance, which is as good as straight. */
static int fill_profile(const region_view *v, uint32_t k, region_curve *c)
{
    const grid *g = v->grid;
    size_t most = g->dim > 1 ? AMONG : ALONE, n = 0;
    double *p = memory_new(most, (2 + g->dim) * sizeof *p);
    int status = p ? NRE_OK : fail(NRE_ENOMEM, "no memory for a profile");
    if (status == NRE_OK) {
        profile_request at = profile_at(v, k);
        n = lay_values(g, k, most, p);
        status = profile_of(&at, n, p, p + 2 * most, p + most);
    }
    if (status != NRE_OK) {
        free(p);
        return status;
    }
    for (size_t i = 0; i < n; i++)
        p[most + i] = sqrt(deviance_of(v, p[most + i]));
    *c = (region_curve){n,
                        {g->edge[k * (g->m + 1)], g->edge[(k + 1) * (g->m + 1) - 1]},
                        p,
                        p + most,
                        p + 2 * most};
    return NRE_OK;
}

/* Where the profile's deviance is at most THRESHOLD. */
static int profile_spans(region_view *v, uint32_t k, double threshold, spans *out)
{
    region_curve *c = &v->profile[k];
    int status = c->t ? NRE_OK : fill_profile(v, k, c);
    return status == NRE_OK ? spans_below(c, sqrt(threshold), out) : status;
}

static int in_profile(const region *g, size_t n, const double *theta, uint8_t *inside)
{
    uint32_t dim = dim_of(g->view), k = g->rule.parameter;
    double *p = memory_new(n > 0 ? n : 1, (dim + 2) * sizeof *p);
    if (!p)
        return fail(NRE_ENOMEM, "no memory for a profile");
    double lo, hi, *value = p + n * dim, *log_ratio = value + n;
    double threshold = wilks_threshold(g->rule.level, 1);
    profile_request at = profile_at(g->view, k);
    marginal_support(target_marginal(posterior_target(g->view->posterior), k), &lo, &hi);
    for (size_t i = 0; i < n; i++)
        value[i] = fmin(fmax(theta[i * dim + k], lo), hi);
    int status = profile_of(&at, n, value, p, log_ratio);
    for (size_t i = 0; status == NRE_OK && i < n; i++)
        inside[i] = theta[i * dim + k] == value[i] &&
                    deviance_of(g->view, log_ratio[i]) <= threshold;
    free(p);
    return status;
}

/* regions */

static int check_view(const region_view *v, const region_rule *r)
{
    int status = check_rule(r, dim_of(v));
    if (status != NRE_OK)
        return status;
    if (r->kind == REGION_PROFILE && (!v->grid || v->grid->dim > PROFILE_DIM))
        return fail(NRE_ENOTSUP,
                    "a profile needs a grid, which a target of more than %d "
                    "parameters has not",
                    PROFILE_DIM);
    return NRE_OK;
}

int region_of(region_view *v, const region_rule *rule, region *out)
{
    *out = (region){.rule = *rule, .view = v};
    int status = check_view(v, rule);
    if (status != NRE_OK)
        return status;
    if (rule->kind == REGION_HPD)
        status = find_border(out, rule->level + rule->bias);
    else if (rule->kind == REGION_PROFILE)
        status = profile_spans(v, rule->parameter, wilks_threshold(rule->level, 1),
                               &out->spans);
    else if (rule->kind >= REGION_HDI)
        status = marginal_interval(out);
    if (status != NRE_OK)
        region_release(out);
    return status;
}

void region_release(region *r)
{
    spans_release(&r->spans);
    *r = (region){0};
}

static bool cell_inside(const region *g, const double *theta, double density)
{
    const grid *on = g->view->grid;
    size_t cell = grid_cell(on, theta, g->view->snap);
    if (cell == on->n || g->view->snap)
        return cell < on->n && dense_enough(g, on->log_density[cell]);
    return dense_enough(g, grid_standing(on->log_density[cell], density - on->log_norm));
}

static int in_density(const region *g, size_t n, const double *theta, uint8_t *inside)
{
    const grid *on = g->view->grid;
    size_t dim = dim_of(g->view);
    double *density = memory_new(n > 0 ? 2 * n : 1, sizeof *density);
    if (!density)
        return fail(NRE_ENOMEM, "no memory for a region");
    int status = evaluate(g->view, n, theta, density + n, density);
    for (size_t i = 0; status == NRE_OK && i < n; i++)
        inside[i] = on ? cell_inside(g, theta + i * dim, density[i])
                       : density[i] > -INFINITY && dense_enough(g, density[i]);
    free(density);
    return status;
}

static int in_deviance(const region *g, size_t n, const double *theta, uint8_t *inside)
{
    double *log_ratio = memory_new(n > 0 ? n : 1, sizeof *log_ratio);
    standing *at = memory_new(n > 0 ? n : 1, sizeof *at);
    int status = log_ratio && at ? evaluate(g->view, n, theta, log_ratio, NULL)
                                 : fail(NRE_ENOMEM, "no memory for a region");
    for (size_t i = 0; status == NRE_OK && i < n; i++)
        at[i].deviance = deviance_of(g->view, log_ratio[i]);
    if (status == NRE_OK)
        status = region_decides(&g->rule, dim_of(g->view), n, theta, at, inside);
    free(at);
    free(log_ratio);
    return status;
}

int region_contains(const region *r, size_t n, const double *theta, uint8_t *inside)
{
    if (r->rule.kind == REGION_HPD)
        return in_density(r, n, theta, inside);
    if (r->rule.kind == REGION_WILKS || r->rule.kind == REGION_BY_NEYMAN)
        return in_deviance(r, n, theta, inside);
    if (r->rule.kind == REGION_PROFILE)
        return in_profile(r, n, theta, inside);
    size_t dim = dim_of(r->view);
    for (size_t i = 0; i < n; i++)
        inside[i] = spans_hold(&r->spans, theta[i * dim + r->rule.parameter]);
    return NRE_OK;
}

/* shapes of joint regions */

/* By how much each point of the grid or cloud lies inside: -1 and 1 for densities, else deviance
 * less critical value; inside where it is at most 0. */
static int excesses(const region *g, double *excess)
{
    const region_view *v = g->view;
    size_t n = v->grid ? v->grid->n : v->cloud->n, dim = dim_of(v);
    const double *density = v->grid ? v->grid->log_density : v->cloud->log_density;
    const double *log_ratio = v->grid ? v->grid->log_ratio : v->cloud->log_ratio;
    double *theta = NULL;
    int status = NRE_OK;
    for (size_t i = 0; i < n; i++)
        excess[i] = g->rule.kind == REGION_HPD ? (dense_enough(g, density[i]) ? -1 : 1)
                                               : deviance_of(v, log_ratio[i]);
    if (g->rule.kind == REGION_WILKS)
        for (size_t i = 0; i < n; i++)
            excess[i] -= wilks_threshold(g->rule.level, (uint32_t)dim);
    if (g->rule.kind != REGION_BY_NEYMAN)
        return NRE_OK;
    theta = memory_new(n, (dim + 1) * sizeof *theta);
    if (!theta)
        return fail(NRE_ENOMEM, "no memory for a region");
    for (size_t i = 0; i < n && v->grid; i++)
        cell_point(v->grid, i, theta + i * dim);
    status = neyman_critical(g->rule.neyman, g->rule.level, n,
                             v->grid ? theta : v->cloud->theta, theta + n * dim);
    for (size_t i = 0; status == NRE_OK && i < n; i++) {
        double critical = theta[n * dim + i]; /* infinite: the set is everything */
        excess[i] = isinf(critical) ? -1 : excess[i] - critical;
    }
    free(theta);
    return status;
}

static int excess_of(const region *r, double **out)
{
    const region_view *v = r->view;
    if (r->rule.kind >= REGION_HDI)
        return fail(NRE_EINVAL, "a region of one parameter has no joint shape");
    if (!v->grid && r->rule.kind != REGION_HPD && isnan(v->cloud->log_ratio[0]))
        return fail(NRE_ENOTSUP, "samples without log ratios show no confidence set");
    *out = memory_new(v->grid ? v->grid->n : v->cloud->n, sizeof **out);
    int status = *out ? excesses(r, *out) : fail(NRE_ENOMEM, "no memory for a region");
    if (status != NRE_OK) {
        free(*out);
        *out = NULL;
    }
    return status;
}

/* Of a cloud: the posterior's mass of draws over r, times the area, is the prior's (with P(valid),
 * if any). */
static double volume_of_cloud(const cloud *c, const double *excess)
{
    double inside = 0;
    for (size_t i = 0; i < c->n; i++)
        if (excess[i] <= 0 && c->weight[i] > 0)
            inside += c->weight[i] * exp(c->log_area - c->log_ratio[i]);
    return fmin(inside, 1);
}

int region_volume(const region *r, double *volume)
{
    const grid *g = r->view->grid;
    double *excess = NULL, share = 1;
    size_t inside = 0;
    int status = excess_of(r, &excess);
    if (status != NRE_OK)
        return status;
    for (size_t i = 0; g && i < g->n; i++)
        inside += excess[i] <= 0;
    for (uint32_t k = 0; g && k < g->dim; k++)
        share *= g->box[k][1] - g->box[k][0];
    *volume = g ? share * (double)inside / (double)g->n
                : volume_of_cloud(r->view->cloud, excess);
    free(excess);
    return NRE_OK;
}

/* The end of cell I below (SIDE 0) or above it; of one without bound as far from its point as its other
 * end is. */
static double cell_end(const grid *g, uint32_t k, size_t i, size_t side)
{
    const double *edge = g->edge + k * (g->m + 1);
    double point = g->axis[k * g->m + i];
    return isfinite(edge[i + side]) ? edge[i + side] : 2 * point - edge[i + 1 - side];
}

/* Cells of the parameter's axis that hold a point inside, as wholes. */
static int cell_spans(const grid *g, uint32_t k, const bool *holds, spans *out)
{
    int status = spans_room(g->m / 2 + 1, out);
    for (size_t i = 0; status == NRE_OK && i < g->m; i++) {
        if (!holds[i])
            continue;
        out->at[out->n][0] = cell_end(g, k, i, 0);
        while (i + 1 < g->m && holds[i + 1])
            i++;
        out->at[out->n++][1] = cell_end(g, k, i, 1);
    }
    return status;
}

static int project_grid(const region *r, uint32_t k, const double *excess, spans *out)
{
    const grid *g = r->view->grid;
    size_t stride = 1;
    bool *holds = memory_new(g->m, sizeof *holds);
    if (!holds)
        return fail(NRE_ENOMEM, "no memory for a region");
    for (uint32_t j = g->dim - 1; j > k; j--)
        stride *= g->m;
    for (size_t i = 0; i < g->n; i++)
        holds[i / stride % g->m] |= excess[i] <= 0;
    int status = cell_spans(g, k, holds, out);
    free(holds);
    return status;
}

static int project_cloud(const cloud *c, uint32_t k, const double *excess, spans *out)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < c->n; i++)
        if (excess[i] <= 0 && c->weight[i] > 0) {
            low = fmin(low, c->theta[i * c->dim + k]);
            high = fmax(high, c->theta[i * c->dim + k]);
        }
    int status = spans_room(1, out);
    if (status == NRE_OK && low <= high) {
        out->at[0][0] = low, out->at[0][1] = high;
        out->n = 1;
    }
    return status;
}

/* A Neyman set along a profile: where the best point with that value belongs to it. */
static int neyman_along(const region *r, uint32_t k, spans *out)
{
    region_curve *c = &r->view->profile[k], less;
    int status = c->t ? NRE_OK : fill_profile(r->view, k, c);
    if (status != NRE_OK)
        return status;
    less = *c;
    less.y = memory_new(c->n, sizeof *less.y);
    if (!less.y)
        return fail(NRE_ENOMEM, "no memory for a region");
    status = neyman_critical(r->rule.neyman, r->rule.level, c->n, c->theta, less.y);
    for (size_t i = 0; status == NRE_OK && i < c->n; i++)
        less.y[i] = isinf(less.y[i]) ? -1 : c->y[i] - sqrt(less.y[i]);
    if (status == NRE_OK)
        status = spans_below(&less, 0, out);
    free(less.y);
    return status;
}

int region_projection(const region *r, uint32_t k, spans *out)
{
    uint32_t dim = dim_of(r->view);
    double *excess = NULL;
    *out = (spans){0};
    if (k >= dim)
        return fail(NRE_EINVAL, "a region of %u parameters has no parameter %u", dim, k);
    if (r->view->grid && r->rule.kind == REGION_WILKS)
        return profile_spans(r->view, k, wilks_threshold(r->rule.level, dim), out);
    if (r->view->grid && r->rule.kind == REGION_BY_NEYMAN)
        return neyman_along(r, k, out);
    int status = excess_of(r, &excess);
    if (status == NRE_OK)
        status = r->view->grid ? project_grid(r, k, excess, out)
                               : project_cloud(r->view->cloud, k, excess, out);
    free(excess);
    if (status != NRE_OK)
        spans_release(out);
    return status;
}

int cloud_of_draws(uint32_t dim, size_t n, const double *theta, const double *log_density,
                   const double *weight, double effective, double v, cloud *out)
{
    double total = 0;
    if (n == 0)
        return fail(NRE_EINVAL, "there are no draws to make regions of");
    double *p = room_take(&out->memory, n, (dim + 3) * sizeof *p);
    if (!p)
        return fail(NRE_ENOMEM, "no memory for %zu draws", n);
    out->dim = dim;
    out->n = n;
    out->theta = p;
    out->log_ratio = p + n * dim;
    out->log_density = out->log_ratio + n;
    out->weight = out->log_density + n;
    memcpy(out->theta, theta, n * dim * sizeof *theta);
    memcpy(out->log_density, log_density, n * sizeof *log_density);
    for (size_t i = 0; i < n; i++)
        total += weight ? weight[i] : 1;
    for (size_t i = 0; i < n; i++) {
        out->log_ratio[i] = NAN;
        out->weight[i] = (weight ? weight[i] : 1) / total;
    }
    out->log_area = NAN;
    out->effective = effective;
    out->evaluations = 0;
    out->v = v;
    return NRE_OK;
}
