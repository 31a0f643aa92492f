/* infer/truncation.c - a prior cut to where an observation leaves it (Miller et al. 2021). */
#include "infer/infer.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 1 << 13, /* draws of a step of measuring */
    SLICE = 512,     /* of them, a task of the pool */
    ENOUGH = 4000,   /* kept draws: the volume is known to 1.6% */
    MOST_DRAWS = 1 << 20,
    MOST_REMEMBERED = 1 << 14, /* of the kept ones */
    BLOCK = 4096,              /* thetas judged at a time */
    LEAST_TOGETHER = 8,        /* proposals of a row */
    MOST_TOGETHER = 1024
};
static const double LEAST_VOLUME = 1e-6; /* what rejection can still find */
static const double MARGIN = 0.01;       /* of a box, relative to its width */

/* One target's share of a region. */
typedef struct part {
    const target *target;
    size_t n_members;
    ratio **member;  /* [n_members] */
    observed **seen; /* [n_members] the observation */
    double *maximum; /* [n_members] of log r */
    double *box;     /* [2][dim]: below and above; NULL: none */
    double *centre,
        *deviation; /* [dim] of the standardised parameters, of what is kept */
    uint64_t kept;  /* draws that this part alone keeps */
    size_t first;   /* number of its first member among those of all regions */
} part;

typedef struct cut {
    size_t n_parts;
    part *part;
    double log_epsilon;
    cut_facts facts;
    size_t n_draws;
    double *draws; /* [n_draws][n_theta] of those kept */
} cut;

/* What one thread needs. */
typedef struct seat {
    struct seat *next;
    size_t n;
    ratio_worker **worker; /* [n] of all members; made when first asked for */
    room columns, value;
    room index, flag; /* of thetas that are still in question */
} seat;

struct truncation {
    const prior *prior;
    size_t n, n_members;
    cut *region; /* [n] */
    size_t n_rows, n_x;
    float *x; /* [n_rows][n_x] */
    proposals proposals;
    pthread_mutex_t lock; /* of the list of free seats */
    seat *seats;
};

/* seats */

static void seat_free(seat *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        ratio_worker_free(s->worker[i]);
    free(s->worker);
    room_release(&s->columns);
    room_release(&s->value);
    room_release(&s->index);
    room_release(&s->flag);
    free(s);
}

static void seats_free(truncation *t)
{
    for (seat *s = t->seats, *next; s; s = next) {
        next = s->next;
        seat_free(s);
    }
    t->seats = NULL;
}

static int seat_take(const truncation *t, seat **out)
{
    truncation *mine = (truncation *)(uintptr_t)t;
    pthread_mutex_lock(&mine->lock);
    seat *s = *out = mine->seats;
    if (s)
        mine->seats = s->next;
    pthread_mutex_unlock(&mine->lock);
    if (s)
        return NRE_OK;
    s = *out = memory_new(1, sizeof *s);
    if (s)
        s->worker = memory_new(t->n_members + 1, sizeof(ratio_worker *));
    if (!s || !s->worker) {
        free(s);
        *out = NULL;
        return fail(NRE_ENOMEM, "no memory to judge thetas");
    }
    s->n = t->n_members;
    return NRE_OK;
}

static void seat_return(const truncation *t, seat *s)
{
    truncation *mine = (truncation *)(uintptr_t)t;
    pthread_mutex_lock(&mine->lock);
    s->next = mine->seats;
    mine->seats = s;
    pthread_mutex_unlock(&mine->lock);
}

/* judging */

static int member_log_ratio(const truncation *t, seat *s, const part *p, size_t m,
                            size_t n, const double *theta, double *value)
{
    ratio_worker **w = &s->worker[p->first + m];
    int status = *w ? NRE_OK : ratio_worker_new(p->member[m], w);
    return status == NRE_OK ? ratio_joint(p->member[m], *w, p->seen[m], 0, t->n_rows, n,
                                          theta, value, NULL)
                            : status;
}

static bool in_box(const part *p, const double *theta)
{
    uint32_t d = p->target->n;
    for (uint32_t k = 0; k < d; k++)
        if (!(theta[k] >= p->box[k] && theta[k] <= p->box[d + k]))
            return false;
    return true;
}

static bool exceeds(const cut *r, const part *p, size_t m, double log_ratio)
{
    return log_ratio > p->maximum[m] + r->log_epsilon;
}

/* Which of the N thetas INDEX of THETA [][dim] the part keeps: FLAG [n].  A theta that one
 * network keeps need not be shown to the next. */
static int ask_members(const truncation *t, seat *s, const cut *r, const part *p,
                       size_t n, const double *theta, const size_t *index, bool *flag)
{
    size_t d = p->target->n;
    double *columns = room_take(&s->columns, n, d * sizeof *columns);
    double *value = room_take(&s->value, n, sizeof *value);
    size_t *open = room_take(&s->index, n, sizeof *open), n_open = n;
    if (!columns || !value || !open)
        return fail(NRE_ENOMEM, "no memory to judge %zu thetas", n);
    for (size_t i = 0; i < n; i++)
        open[i] = i, flag[i] = false;
    for (size_t m = 0; m < p->n_members && n_open > 0; m++) {
        size_t left = 0;
        for (size_t i = 0; i < n_open; i++)
            memcpy(columns + i * d, theta + index[open[i]] * d, d * sizeof *theta);
        int status = member_log_ratio(t, s, p, m, n_open, columns, value);
        if (status != NRE_OK)
            return status;
        for (size_t i = 0; i < n_open; i++)
            if (exceeds(r, p, m, value[i]))
                flag[open[i]] = true;
            else
                open[left++] = open[i];
        n_open = left;
    }
    return NRE_OK;
}

/* Take from the N thetas INDEX of THETA [][dim] those that the part does not keep. */
static int sift(const truncation *t, seat *s, const cut *r, const part *p, size_t *n,
                const double *theta, size_t *index)
{
    size_t left = 0, d = p->target->n;
    bool *flag = room_take(&s->flag, *n, sizeof *flag);
    if (!flag)
        return fail(NRE_ENOMEM, "no memory to judge %zu thetas", *n);
    if (!p->box) {
        int status = ask_members(t, s, r, p, *n, theta, index, flag);
        if (status != NRE_OK)
            return status;
    }
    for (size_t i = 0; i < *n; i++)
        if (p->box ? in_box(p, theta + index[i] * d) : flag[i])
            index[left++] = index[i];
    *n = left;
    return NRE_OK;
}

static bool same_target(const target *a, const target *b)
{
    return a->n == b->n && !memcmp(a->which, b->which, a->n * sizeof *a->which);
}

/* Thetas of target OF, or (NULL) of all parameters, at most BLOCK.  The last region first:
 * it is the smallest, so most are done with after one look. */
static int judge(const truncation *t, seat *s, const target *of, size_t n,
                 const double *theta, bool *inside)
{
    size_t index[BLOCK], left = n;
    double *columns =
        of ? NULL : memory_new(n, t->prior->n * sizeof *columns); /* of one target */
    int status = of || columns ? NRE_OK : fail(NRE_ENOMEM, "no memory to judge thetas");
    for (size_t i = 0; i < n; i++)
        index[i] = i, inside[i] = false;
    for (size_t k = t->n; k-- > 0;)
        for (size_t i = 0; i < t->region[k].n_parts && left > 0 && status == NRE_OK;
             i++) {
            const part *p = &t->region[k].part[i];
            if (of && !same_target(of, p->target))
                continue;
            if (!of)
                target_columns(p->target, n, theta, columns);
            status = sift(t, s, &t->region[k], p, &left, of ? theta : columns, index);
        }
    for (size_t i = 0; i < left; i++)
        inside[index[i]] = true;
    free(columns);
    return status;
}

static int judge_all(const truncation *t, const target *of, size_t n, const double *theta,
                     bool *inside)
{
    size_t wide = of ? of->n : t->prior->n;
    seat *s = NULL;
    int status = seat_take(t, &s);
    for (size_t done = 0; done < n && status == NRE_OK; done += BLOCK)
        status = judge(t, s, of, n - done < BLOCK ? n - done : BLOCK, theta + done * wide,
                       inside + done);
    if (s)
        seat_return(t, s);
    return status;
}

int truncation_contains(const truncation *t, size_t n, const double *theta, bool *inside)
{
    return judge_all(t, NULL, n, theta, inside);
}

int truncation_contains_target(const truncation *t, const target *of, size_t n,
                               const double *theta, bool *inside)
{
    return judge_all(t, of, n, theta, inside);
}

static int keep(const void *context, size_t n, const double *theta, bool *kept)
{
    return truncation_contains(context, n, theta, kept);
}

/* a chain */

int truncation_new(const prior *p, truncation **out)
{
    truncation *t = *out = memory_new(1, sizeof *t);
    if (!t)
        return fail(NRE_ENOMEM, "no memory for a truncation");
    t->prior = p;
    t->proposals = (proposals){.keep = keep, .context = t, .each = 1};
    pthread_mutex_init(&t->lock, NULL);
    return NRE_OK;
}

static void part_release(part *p)
{
    for (size_t m = 0; m < p->n_members; m++) {
        if (p->seen)
            observed_free(p->seen[m]);
        if (p->member)
            ratio_free(p->member[m]);
    }
    free(p->member);
    free(p->seen);
    free(p->maximum);
    free(p->box);
    free(p->centre);
}

static void cut_release(cut *r)
{
    for (size_t i = 0; r->part && i < r->n_parts; i++)
        part_release(&r->part[i]);
    free(r->part);
    free(r->draws);
}

void truncation_free(truncation *t)
{
    if (!t)
        return;
    seats_free(t);
    for (size_t i = 0; i < t->n; i++)
        cut_release(&t->region[i]);
    free(t->region);
    free(t->x);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

size_t truncation_n(const truncation *t)
{
    return t->n;
}

const cut_facts *truncation_facts(const truncation *t, size_t which)
{
    return &t->region[which].facts;
}

static uint64_t kept_by(const cut *r, const target *of)
{
    for (size_t i = 0; of && i < r->n_parts; i++)
        if (same_target(of, r->part[i].target))
            return r->part[i].kept;
    return of ? r->facts.drawn : r->facts.kept;
}

/* Each region's fraction is measured on draws of its own, so that relative variances add. */
double truncation_volume(const truncation *t, size_t regions, const target *of,
                         double *error)
{
    double volume = 1, variance = 0;
    for (size_t i = 0; i < regions && i < t->n; i++) {
        double drawn = (double)t->region[i].facts.drawn;
        double fraction = (double)kept_by(&t->region[i], of) / drawn;
        volume *= fraction;
        variance += (1 - fraction) / (fraction * drawn);
    }
    if (error)
        *error = volume * sqrt(variance);
    return volume;
}

bool truncation_is_of(const truncation *t, size_t n_rows, const float *x)
{
    return t->n == 0 ||
           (n_rows == t->n_rows && !memcmp(x, t->x, n_rows * t->n_x * sizeof *x));
}

const double *truncation_draws(const truncation *t, size_t *n)
{
    *n = t->n > 0 ? t->region[t->n - 1].n_draws : 0;
    return t->n > 0 ? t->region[t->n - 1].draws : NULL;
}

const proposals *truncation_proposals(const truncation *t)
{
    return &t->proposals;
}

void truncation_moments(const truncation *t, const target *of, const double **centre,
                        const double **deviation)
{
    *centre = *deviation = NULL;
    for (size_t i = 0; t->n > 0 && i < t->region[t->n - 1].n_parts; i++) {
        const part *p = &t->region[t->n - 1].part[i];
        if (!same_target(of, p->target))
            continue;
        *centre = p->centre;
        *deviation = p->deviation;
    }
}

/* adding a cut */

static int remember_x(truncation *t, const cut_request *r)
{
    size_t n_x = ratio_n_x(r->parts[0].members[0]);
    if (t->n > 0 && !truncation_is_of(t, r->n_rows, r->x))
        return fail(NRE_EDATA, "the regions of a truncation are of one observation");
    if (t->n > 0)
        return NRE_OK;
    free(t->x);
    t->x = memory_new(r->n_rows * n_x, sizeof *t->x);
    if (!t->x)
        return fail(NRE_ENOMEM, "no memory for an observation");
    memcpy(t->x, r->x, r->n_rows * n_x * sizeof *t->x);
    t->n_rows = r->n_rows;
    t->n_x = n_x;
    return NRE_OK;
}

static int observe(const truncation *t, const part *p, size_t m)
{
    ratio_worker *w = NULL;
    int status = ratio_worker_new(p->member[m], &w);
    if (status == NRE_OK)
        status = observed_new(p->member[m], &p->seen[m]);
    if (status == NRE_OK)
        status = ratio_observe(p->member[m], w, t->n_rows, t->x, p->seen[m]);
    ratio_worker_free(w);
    return status;
}

static int lay_part(truncation *t, const cut_request *r, const cut_part *q, part *p)
{
    size_t d = q->target->n;
    p->seen = memory_new(q->n_members, sizeof(observed *));
    p->maximum = memory_new(q->n_members, sizeof *p->maximum);
    p->box = r->box ? memory_new(2 * d, sizeof *p->box) : NULL;
    p->centre = memory_new(2 * d, sizeof *p->centre);
    if (!p->seen || !p->maximum || !p->centre || (r->box && !p->box))
        return fail(NRE_ENOMEM, "no memory for a region");
    p->deviation = p->centre + d;
    p->target = q->target;
    p->first = t->n_members;
    t->n_members += p->n_members;
    int status = NRE_OK;
    for (size_t m = 0; m < p->n_members && status == NRE_OK; m++) {
        p->maximum[m] = -INFINITY;
        status = observe(t, p, m);
    }
    return status;
}

/* The ratios are the region's from the first. */
static int take_members(const cut_request *r, cut *out)
{
    int status = NRE_OK;
    *out = (cut){.n_parts = r->n_parts, .log_epsilon = log(r->epsilon)};
    out->part = memory_new(r->n_parts, sizeof *out->part);
    for (size_t i = 0; i < r->n_parts; i++) {
        size_t n = r->parts[i].n_members;
        ratio **member = out->part ? memory_new(n, sizeof(ratio *)) : NULL;
        for (size_t m = 0; m < n && !member; m++)
            ratio_free(r->parts[i].members[m]);
        if (!member) {
            status = fail(NRE_ENOMEM, "no memory for a region");
            continue;
        }
        memcpy(member, r->parts[i].members, n * sizeof *member);
        out->part[i].member = member;
        out->part[i].n_members = n;
    }
    return status;
}

/* Room behind the last region, for one that is not yet part of the chain. */
static int make_room(truncation *t, const cut_request *r)
{
    cut *more = reallocarray(t->region, t->n + 1, sizeof *more);
    for (size_t i = 0; !more && i < r->n_parts; i++)
        for (size_t m = 0; m < r->parts[i].n_members; m++)
            ratio_free(r->parts[i].members[m]);
    if (!more)
        return fail(NRE_ENOMEM, "no memory for a region");
    t->region = more;
    seats_free(t);
    return NRE_OK;
}

/* Of a region that has its members. */
static int lay_region(truncation *t, const cut_request *r)
{
    int status = remember_x(t, r);
    for (size_t i = 0; i < r->n_parts && status == NRE_OK; i++)
        status = lay_part(t, r, &r->parts[i], &t->region[t->n].part[i]);
    return status;
}

/* A row's proposals are judged together: about as many as find one that is kept. */
static int settle(truncation *t)
{
    double volume = truncation_volume(t, t->n, NULL, NULL), each = ceil(1 / volume);
    if (!(volume >= LEAST_VOLUME))
        return fail(NRE_ENUMERIC,
                    "%.2g of the prior is left after %zu rounds, which rejection cannot "
                    "find; narrow the prior, or raise rounds.epsilon",
                    volume, t->n);
    t->proposals.each = (size_t)fmin(fmax(each, LEAST_TOGETHER), MOST_TOGETHER);
    seats_free(t);
    return NRE_OK;
}

static int added(truncation *t, size_t n_members, int status)
{
    if (status == NRE_OK) {
        t->n++;
        return settle(t);
    }
    seats_free(t);
    cut_release(&t->region[t->n]);
    t->n_members = n_members;
    return status;
}

void truncation_pop(truncation *t)
{
    bug_if(t->n == 0);
    cut *last = &t->region[--t->n];
    seats_free(t);
    for (size_t i = 0; i < last->n_parts; i++)
        t->n_members -= last->part[i].n_members;
    cut_release(last);
    if (t->n > 0)
        (void)settle(t);
}

/* measuring */

/* Draws of what was left before, and what the new region's networks say of them. */
typedef struct measuring {
    truncation *truncation;
    const cut_request *request;
    cut *region;
    rng_key key;
    size_t drawn, room, n_values; /* values of a draw: a member each */
    double *theta;                /* [room][n_theta] */
    double *value;                /* [room][n_values] */
    bool *kept;                   /* [room] */
} measuring;

static int evaluate_slice(void *context, size_t i, unsigned worker)
{
    measuring *m = context;
    size_t first = m->drawn + i * SLICE, d = m->truncation->prior->n, at = 0;
    double *columns = memory_new(SLICE, (d + 1) * sizeof *columns);
    seat *s = NULL;
    (void)worker;
    int status = columns ? seat_take(m->truncation, &s)
                         : fail(NRE_ENOMEM, "no memory to measure a region");
    for (size_t k = 0; k < m->region->n_parts && status == NRE_OK; k++) {
        const part *p = &m->region->part[k];
        double *value = columns + SLICE * d;
        target_columns(p->target, SLICE, m->theta + first * d, columns);
        for (size_t j = 0; j < p->n_members && status == NRE_OK; j++, at++) {
            status = member_log_ratio(m->truncation, s, p, j, SLICE, columns, value);
            for (size_t n = 0; n < SLICE && status == NRE_OK; n++)
                m->value[(first + n) * m->n_values + at] = value[n];
        }
    }
    if (s)
        seat_return(m->truncation, s);
    free(columns);
    return status;
}

static int more_room(measuring *m)
{
    size_t most = m->room > 0 ? 2 * m->room : CHUNK, d = m->truncation->prior->n;
    double *theta = reallocarray(m->theta, most, d * sizeof *theta);
    if (!theta)
        goto memory;
    m->theta = theta;
    double *value = reallocarray(m->value, most, m->n_values * sizeof *value);
    if (!value)
        goto memory;
    m->value = value;
    bool *kept = reallocarray(m->kept, most, sizeof *kept);
    if (!kept)
        goto memory;
    m->kept = kept;
    m->room = most;
    return NRE_OK;
memory:
    return fail(NRE_ENOMEM, "no memory for %zu draws of the prior", most);
}

static int draw_chunk(measuring *m)
{
    truncation *t = m->truncation;
    int status = m->drawn + CHUNK > m->room ? more_room(m) : NRE_OK;
    if (status == NRE_OK)
        status = prior_sample_kept(t->prior, t->n > 0 ? &t->proposals : NULL,
                                   m->request->workers, m->key, m->drawn, CHUNK,
                                   m->theta + m->drawn * t->prior->n);
    if (status == NRE_OK)
        status = pool_run(m->request->workers, CHUNK / SLICE, evaluate_slice, m);
    m->drawn += CHUNK;
    return status;
}

static void find_maxima(measuring *m, size_t from)
{
    for (size_t i = from; i < m->drawn; i++) {
        const double *value = m->value + i * m->n_values;
        for (size_t k = 0; k < m->region->n_parts; k++) {
            part *p = &m->region->part[k];
            for (size_t j = 0; j < p->n_members; j++, value++)
                p->maximum[j] = fmax(p->maximum[j], *value);
        }
    }
}

/* By its networks, the box aside. */
static bool is_kept(const cut *r, const part *p, const double *value)
{
    for (size_t j = 0; j < p->n_members; j++)
        if (exceeds(r, p, j, value[j]))
            return true;
    return false;
}

/* Smallest box around the draws that the part keeps, a little wider on each side: the
 * region reaches beyond its outermost draws. */
static void lay_box(const measuring *m, part *p, size_t at)
{
    size_t d = m->truncation->prior->n, n = p->target->n;
    double lo, hi;
    for (size_t k = 0; k < n; k++)
        p->box[k] = INFINITY, p->box[n + k] = -INFINITY;
    for (size_t i = 0; i < m->drawn; i++) {
        if (!is_kept(m->region, p, m->value + i * m->n_values + at))
            continue;
        for (size_t k = 0; k < n; k++) {
            double v = m->theta[i * d + p->target->which[k]];
            p->box[k] = fmin(p->box[k], v);
            p->box[n + k] = fmax(p->box[n + k], v);
        }
    }
    for (uint32_t k = 0; k < n; k++) {
        double margin = MARGIN * (p->box[n + k] - p->box[k]);
        marginal_support(target_marginal(p->target, k), &lo, &hi);
        p->box[k] = fmax(p->box[k] - margin, lo);
        p->box[n + k] = fmin(p->box[n + k] + margin, hi);
    }
}

/* Draws that every part keeps, and those that each does. */
static int count_kept(measuring *m)
{
    size_t d = m->truncation->prior->n, at = 0;
    double *columns = memory_new(d, sizeof *columns);
    if (!columns)
        return fail(NRE_ENOMEM, "no memory to measure a region");
    m->region->facts = (cut_facts){.drawn = m->drawn};
    for (size_t i = 0; i < m->drawn; i++)
        m->kept[i] = true;
    for (size_t k = 0; k < m->region->n_parts; k++) {
        part *p = &m->region->part[k];
        p->kept = 0;
        if (p->box)
            lay_box(m, p, at);
        for (size_t i = 0; i < m->drawn; i++) {
            target_columns(p->target, 1, m->theta + i * d, columns);
            bool in = p->box ? in_box(p, columns)
                             : is_kept(m->region, p, m->value + i * m->n_values + at);
            p->kept += in;
            m->kept[i] = m->kept[i] && in;
        }
        at += p->n_members;
    }
    for (size_t i = 0; i < m->drawn; i++)
        m->region->facts.kept += m->kept[i];
    free(columns);
    return NRE_OK;
}

static void add_moments(const measuring *m, part *p)
{
    size_t d = m->truncation->prior->n;
    double n = (double)m->region->facts.kept;
    for (uint32_t k = 0; k < p->target->n; k++) {
        const marginal *of = target_marginal(p->target, k);
        double sum = 0, square = 0;
        for (size_t i = 0; i < m->drawn; i++) {
            if (!m->kept[i])
                continue;
            double z =
                marginal_standardise(of, m->theta[i * d + p->target->which[k]], NULL);
            sum += z, square += z * z;
        }
        double mean = sum / n, variance = square / n - mean * mean;
        p->centre[k] = mean;
        p->deviation[k] = variance > 1e-24 ? sqrt(variance) : 1e-12;
    }
}

static int lay_draws(cut *r, uint64_t n, size_t d)
{
    r->n_draws = n < MOST_REMEMBERED ? (size_t)n : MOST_REMEMBERED;
    r->draws = memory_new(r->n_draws, d * sizeof *r->draws);
    return r->draws ? NRE_OK : fail(NRE_ENOMEM, "no memory for draws of a prior");
}

static int remember_draws(const measuring *m)
{
    cut *r = m->region;
    size_t d = m->truncation->prior->n;
    int status = lay_draws(r, r->facts.kept, d);
    for (size_t i = 0, k = 0; status == NRE_OK && k < r->n_draws; i++)
        if (m->kept[i])
            memcpy(r->draws + k++ * d, m->theta + i * d, d * sizeof *r->draws);
    return status;
}

static int measure(measuring *m)
{
    int status = NRE_OK;
    cut_facts *facts = &m->region->facts;
    for (size_t k = 0; k < m->region->n_parts; k++)
        m->n_values += m->region->part[k].n_members;
    do {
        size_t from = m->drawn;
        status = draw_chunk(m);
        if (status == NRE_OK)
            find_maxima(m, from);
        if (status == NRE_OK)
            status = count_kept(m);
    } while (status == NRE_OK && facts->kept < ENOUGH && m->drawn < MOST_DRAWS);
    if (status != NRE_OK)
        return status;
    if (facts->kept == 0)
        return fail(NRE_ENUMERIC,
                    "the observation is impossible at all %zu draws of the prior",
                    m->drawn);
    facts->fraction = (double)facts->kept / (double)m->drawn;
    facts->error = sqrt(facts->fraction * (1 - facts->fraction) / (double)m->drawn);
    for (size_t k = 0; k < m->region->n_parts; k++)
        add_moments(m, &m->region->part[k]);
    return remember_draws(m);
}

int truncation_cut(truncation *t, const cut_request *r)
{
    size_t n_members = t->n_members;
    int status = make_room(t, r);
    if (status != NRE_OK)
        return status;
    status = take_members(r, &t->region[t->n]);
    if (status == NRE_OK)
        status = lay_region(t, r);
    measuring m = {
        .truncation = t, .request = r, .key = rng_purpose(r->seed, "%s", r->purpose)};
    if (status == NRE_OK) {
        m.region = &t->region[t->n];
        status = measure(&m);
    }
    free(m.theta);
    free(m.value);
    free(m.kept);
    return added(t, n_members, status);
}

/* on disk */

static int put_array(store *f, size_t which, const char *name, size_t n,
                     const double *value)
{
    char path[64];
    uint64_t dim = n;
    snprintf(path, sizeof path, "part-%zu/%s", which, name);
    return store_put(f, path, STORE_F64, 1, &dim, value);
}

static int get_array(store *f, size_t which, const char *name, size_t n, double *value)
{
    char path[64];
    snprintf(path, sizeof path, "part-%zu/%s", which, name);
    return store_get(f, path, STORE_F64, n, value);
}

static int put_part(store *f, size_t i, const part *p)
{
    size_t d = p->target->n;
    double which[64], kept = (double)p->kept;
    for (size_t k = 0; k < d && k < 64; k++)
        which[k] = p->target->which[k];
    int status = put_array(f, i, "maximum", p->n_members, p->maximum);
    if (status == NRE_OK)
        status = put_array(f, i, "which", d < 64 ? d : 64, which);
    if (status == NRE_OK)
        status = put_array(f, i, "moments", 2 * d, p->centre);
    if (status == NRE_OK)
        status = put_array(f, i, "kept", 1, &kept);
    if (status == NRE_OK && p->box)
        status = put_array(f, i, "box", 2 * d, p->box);
    return status;
}

int truncation_save(const truncation *t, const char *path)
{
    store *f = NULL;
    bug_if(t->n == 0);
    const cut *r = &t->region[t->n - 1];
    uint64_t dim[2] = {t->n_rows, t->n_x};
    int status = store_create(path, &f);
    if (status != NRE_OK)
        return status;
    status = store_put(f, "observation", STORE_F32, 2, dim, t->x);
    for (size_t i = 0; i < r->n_parts && status == NRE_OK; i++)
        status = put_part(f, i, &r->part[i]);
    if (status == NRE_OK)
        status = store_put(f, "draws", STORE_F64, 2,
                           (uint64_t[]){r->n_draws, t->prior->n}, r->draws);
    if (status == NRE_OK)
        status = store_put_int(f, "drawn", (int64_t)r->facts.drawn);
    if (status == NRE_OK)
        status = store_put_int(f, "kept", (int64_t)r->facts.kept);
    if (status == NRE_OK)
        status = store_put_real(f, "log_epsilon", r->log_epsilon);
    if (status == NRE_OK)
        return store_commit(f);
    store_close(f);
    return status;
}

static int get_part(store *f, size_t i, uint64_t drawn, part *p)
{
    size_t d = p->target->n;
    double which[64] = {0}, kept = 0;
    int status = get_array(f, i, "maximum", p->n_members, p->maximum);
    if (status == NRE_OK)
        status = get_array(f, i, "which", d < 64 ? d : 64, which);
    if (status == NRE_OK)
        status = get_array(f, i, "moments", 2 * d, p->centre);
    if (status == NRE_OK)
        status = get_array(f, i, "kept", 1, &kept);
    if (status == NRE_OK && p->box)
        status = get_array(f, i, "box", 2 * d, p->box);
    for (size_t k = 0; k < d && k < 64 && status == NRE_OK; k++)
        if (which[k] != p->target->which[k])
            status = fail(NRE_EDATA, "it is of another target");
    if (status == NRE_OK && !(kept >= 1 && kept <= (double)drawn))
        status = fail(NRE_EDATA, "its numbers do not fit each other");
    if (status == NRE_OK)
        p->kept = (uint64_t)kept;
    return status;
}

static int get_facts(store *f, cut *r)
{
    int64_t drawn = 0, kept = 0;
    int status = store_get_int(f, "drawn", &drawn);
    if (status == NRE_OK)
        status = store_get_int(f, "kept", &kept);
    if (status == NRE_OK)
        status = store_get_real(f, "log_epsilon", &r->log_epsilon);
    if (status != NRE_OK)
        return status;
    if (drawn < 1 || kept < 1 || kept > drawn || !(r->log_epsilon < 0))
        return fail(NRE_EDATA, "its numbers do not fit each other");
    double fraction = (double)kept / (double)drawn;
    r->facts = (cut_facts){(uint64_t)drawn, (uint64_t)kept, fraction,
                           sqrt(fraction * (1 - fraction) / (double)drawn)};
    return NRE_OK;
}

static int same_observation(store *f, const truncation *t)
{
    size_t n = t->n_rows * t->n_x;
    float *x = memory_new(n, sizeof *x);
    int status = x ? store_get(f, "observation", STORE_F32, n, x)
                   : fail(NRE_ENOMEM, "no memory for an observation");
    if (status == NRE_OK && memcmp(x, t->x, n * sizeof *x) != 0)
        status = fail(NRE_EDATA, "it is of another observation");
    free(x);
    return status;
}

static int read_region(truncation *t, store *f)
{
    cut *r = &t->region[t->n];
    int status = same_observation(f, t);
    if (status == NRE_OK)
        status = get_facts(f, r);
    if (status == NRE_OK)
        status = lay_draws(r, r->facts.kept, t->prior->n);
    if (status == NRE_OK)
        status = store_get(f, "draws", STORE_F64, r->n_draws * t->prior->n, r->draws);
    for (size_t i = 0; i < r->n_parts && status == NRE_OK; i++)
        status = get_part(f, i, r->facts.drawn, &r->part[i]);
    return status;
}

/* The observation that the request leaves open. */
static int read_observation(store *f, size_t n_x, cut_request *r, float **x)
{
    store_shape shape;
    int status = r->x ? NRE_OK : store_shape_of(f, "observation", &shape);
    if (status != NRE_OK || r->x)
        return status;
    if (shape.rank != 2 || shape.dim[0] < 1 || shape.dim[1] != n_x)
        return fail(NRE_EDATA, "its observation has another width");
    size_t n = (size_t)shape.dim[0] * n_x;
    *x = memory_new(n, sizeof **x);
    if (!*x)
        return fail(NRE_ENOMEM, "no memory for an observation");
    r->x = *x;
    r->n_rows = (size_t)shape.dim[0];
    return store_get(f, "observation", STORE_F32, n, *x);
}

int truncation_load(truncation *t, const cut_request *asked, const char *path)
{
    size_t n_members = t->n_members;
    cut_request r = *asked;
    store *f = NULL;
    float *x = NULL;
    int status = make_room(t, &r);
    if (status != NRE_OK)
        return status;
    status = take_members(&r, &t->region[t->n]);
    if (status == NRE_OK)
        status = store_open(path, &f);
    if (status == NRE_OK)
        status = read_observation(f, ratio_n_x(r.parts[0].members[0]), &r, &x);
    if (status == NRE_OK)
        status = lay_region(t, &r);
    if (status == NRE_OK)
        status = read_region(t, f);
    if (status != NRE_OK && f)
        status = fail_within(status, "%s", path);
    if (f)
        store_close(f);
    free(x);
    return added(t, n_members, status);
}
