/* density.c - density and mean frequency of today's stream after impacts.
 *
 * Bovy, Erkal & Sanders (2017), section 2.  A star that is today at parallel angle A with parallel
 * frequency offset W is traced backward through the kicks g_j at the times t_j:
 *
 *     a_1 = A - W t_1,   W_j = W_(j-1) - g_j(a_j),   a_(j+1) = a_j - W_j (t_(j+1) - t_j).
 *
 * Volume in phase space stays what it was, so the density today is that of the release,
 * N(W_n; w0, sigma^2), for stars that were released within the age, a_n <= W_n (age - t_n), and
 *
 *     rho(A) = int N(W_n(W)) dW,      mean frequency(A) = int W N(W_n(W)) dW / rho(A).
 *
 * Kicks are linear between knots, so a_j and W_j are linear in W between break points, which are
 * carried along by what they are there.  They are in falling order of W, that is mostly in
 * rising order of a.
 *
 * The original code differs in three ways, which the mode that is not exact keeps: in the value
 * of W_n at a break point of an earlier time it takes the kick at the last knot, not at the point;
 * it finds the end of the integral by a rule of thumb; and where the map folds it takes a wrong
 * piece of the kick.
 *
 * What takes time is to carry hundreds of points through tens of kicks for each angle; so most
 * of this file is about points that need not be carried, and about the others two by two. */
#include "gd1.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Compiled again for newer processors, whose shorter code is a twentieth faster; the bits are the same. */
#ifndef DENSITY_AT
#define DENSITY_AT density_anywhere
#define DENSITY_FIRST
#endif
density_function DENSITY_AT;

/* For arguments that are known: two versions of a loop from one text. */
#define ALWAYS_INLINE static inline __attribute__((always_inline))

static const double TAIL = 7;       /* sigmas above the mean that are left out: 1e-12 */
static const double NARROW = 0.25;  /* sigmas: an interval for the series */
static const double FARTHEST = 8.5; /* sigmas from the mean where N is nothing */
enum {
    LEAST_POINTS = 4096,
    SPARE = 6,   /* break points below the window, for the original's end */
    GROUP = 4,   /* angles that share a window */
    KNOTS = 2,   /* of a block */
    OVERRUN = 4, /* points are copied four by four */
    OVERFLOW = 1
};

/* Of a kick, between two knots: base + slope a; VALUE at the lower one.  Piece k lies above knot k - 1;
 * the first and the last, outside, are 0.  All twice, for two points at a time. */
typedef struct piece {
    pair base, slope, value;
} piece;

typedef struct range {
    double low, high;
} range;

/* Of a kick, in some neighbouring knots: its range, and the largest step from knot to knot. */
typedef struct block {
    double low, high, step, unused; /* so that whole pairs may follow */
} block;

typedef struct level {
    pair since, per_spacing, end; /* twice: time from the level before; the last piece */
    double time, spacing;
    int last;     /* knot */
    piece *piece; /* [last + 2] */
    block *block; /* knots KNOTS b to KNOTS (b + 1) */
    int blocks;
    double length, per_block; /* in blocks; blocks to an angle */
    /* Of this and all later kicks at most: what they take from W, and add to a - W (age - t). */
    double rise, delay;
} level;

/* Break points in falling order of W.  Two of the same W: a jump between them.  They have been
 * traced to the next kick, but are not kicked yet. */
typedef struct chain {
    size_t n, stride;                  /* columns lie one behind the other */
    double *today, *angle, *frequency; /* W, a_j, W_(j-1) */
    double
        *taken; /* W_(j-1) at the top of the interval below, as the original counts it */
    int *at;    /* piece of the next kick */
} chain;

typedef struct problem {
    const smooth *smooth;
    bool exact;
    bool whole; /* leave nothing out */
    size_t n_levels, capacity;
    level *level;
    chain chain[2];
    unsigned *change;   /* [capacity] points whose piece is not that of the one before */
    range window;       /* of W: outside, nothing counts */
    double rise, delay; /* as of a level, of all kicks */
    double sum, moment; /* of N and W N; not normalised */
} problem;

/* two by two */

static inline pair load(const double *x)
{
    pair v;
    memcpy(&v, x, sizeof v);
    return v;
}

static inline void store(double *x, pair v)
{
    memcpy(x, &v, sizeof v);
}

/* e^x for -700 < x <= 0, to 1e-11: 2^k by the bits of a double, Taylor's series in the rest. */
static inline pair exponential(pair x)
{
    const double shift = 0x1.8p52, log_2 = 0.69314718055994530942;
    pair k = x * (1 / log_2) + shift, r = x - (k - shift) * log_2;
    pair r2 = r * r, r4 = r2 * r2;
    pair low = (1 + r) + r2 * (1. / 2 + r * (1. / 6));
    pair high = (1. / 24 + r * (1. / 120)) + r2 * (1. / 720 + r * (1. / 5040));
    pair sum =
        low + r4 * (high + r4 * (1. / 40320 + r * (1. / 362880) + r2 * (1. / 3628800)));
    return (pair)((pair_bits)sum + ((pair_bits)k << 52));
}

static inline pair twice(double x)
{
    return (pair){x, x};
}

static inline pair clamp(pair x, pair end)
{
#ifdef __SSE2__
    return _mm_min_pd(_mm_max_pd(x, (pair){0, 0}), end);
#else
    for (int i = 0; i < 2; i++) {
        x[i] = x[i] > 0 ? x[i] : 0;
        x[i] = x[i] < end[i] ? x[i] : end[i];
    }
    return x;
#endif
}

static inline void store_whole(int *at, pair x)
{
#ifdef __SSE2__
    __m128i whole = _mm_cvttpd_epi32(x);
    memcpy(at, &whole, 2 * sizeof *at);
#else
    at[0] = (int)x[0];
    at[1] = (int)x[1];
#endif
}

static inline pair where(pair_bits mask, pair x)
{
    return (pair)((pair_bits)x & mask);
}

/* the integral over an interval */

/* Of exp(-u^2 / 2) and W times it over W in [TOP - WIDTH, TOP], where u falls linearly from U by FALL, at
 * most NARROW: Taylor's series around the middle, whose terms are Hermite polynomials. */
static inline void narrow(pair top, pair width, pair u, pair fall, pair_bits mask,
                          pair *sum, pair *moment)
{
    pair m = u - fall * 0.5, s = m * m, f = fall * fall;
    mask &= (pair_bits)(s < FARTHEST * FARTHEST);
    pair even =
        1 + f * (1. / 24) *
                (s - 1 +
                 f * (1. / 80) *
                     ((s - 6) * s + 3 + f * (1. / 168) * (((s - 15) * s + 45) * s - 15)));
    pair odd = fall * m * (-1. / 12) *
               (1 + f * (1. / 40) * (s - 3 + f * (1. / 112) * ((s - 10) * s + 15)));
    pair weight = where(mask, width * exponential(where(mask, s * -0.5)));
    *sum += weight * even;
    *moment += weight * ((top - width * 0.5) * even + width * odd);
}

static void add_wide(problem *p, double top, double width, double u, double fall)
{
    double low = u - fall, rate = width / fall;
    double area = sqrt(GD1_PI / 2) * (erf(u * sqrt(0.5)) - erf(low * sqrt(0.5)));
    double step = exp(-low * low / 2) - exp(-u * u / 2);
    p->sum += rate * area;
    p->moment += rate * (top * area + rate * (step - u * area));
}

static void add_narrow(problem *p, double top, double width, double u, double fall)
{
    pair sum = {0}, moment = {0};
    narrow((pair){top, 0}, (pair){width, 0}, (pair){u, 0}, (pair){fall, 0},
           (pair_bits){UINT64_MAX, 0}, &sum, &moment);
    p->sum += sum[0];
    p->moment += moment[0];
}

static void add(problem *p, double top, double width, double taken, double fall)
{
    double u = (taken - p->smooth->offset) / p->smooth->sigma;
    fall /= p->smooth->sigma;
    if (fabs(fall) <= NARROW)
        add_narrow(p, top, width, u, fall);
    else
        add_wide(p, top, width, u, fall);
}

/* The interval between points I and I + 1, or from I a share of it. */
static void add_share(problem *p, const chain *c, size_t i, double share)
{
    if (c->today[i] > c->today[i + 1])
        add(p, c->today[i], share * (c->today[i] - c->today[i + 1]),
            p->exact ? c->frequency[i] : c->taken[i],
            share * (c->frequency[i] - c->frequency[i + 1]));
}

/* one kick */

static inline int place_of(const level *l, double a)
{
    double place = a * l->per_spacing[0] + 1;
    place = place > 0 ? place : 0;
    return (int)(place < l->end[0] ? place : l->end[0]);
}

/* A point that was kicked at angle A, traced to the next kick. */
static inline void append(chain *c, const level *next, double today, double a,
                          double frequency, double taken)
{
    size_t i = c->n++;
    a -= next->since[0] * frequency;
    c->today[i] = today;
    c->angle[i] = a;
    c->frequency[i] = frequency;
    c->taken[i] = taken;
    c->at[i] = place_of(next, a);
}

/* Two points, kicked by one piece and traced to the next kick. */
ALWAYS_INLINE void copy_pair(const piece *k, const level *next, size_t stride,
                             const double *from, double *to, int *at, bool exact)
{
    pair a = load(from + stride), w = load(from + 2 * stride) - (k->base + k->slope * a);
    store(to, load(from));
    store(to + 2 * stride, w);
    if (!exact)
        store(to + 3 * stride, load(from + 3 * stride) - k->value);
    a -= next->since * w;
    store(to + stride, a);
    store_whole(at, clamp(a * next->per_spacing + 1, next->end));
}

/* N points from I on.  Some more may be written, which the next to come replace. */
ALWAYS_INLINE void copy(const piece *k, const level *next, const chain *from, size_t i,
                        size_t n, chain *to, bool exact)
{
    const double *f = from->today + i;
    double *t = to->today + to->n;
    int *at = to->at + to->n;
    for (size_t j = 0; j < n; j += OVERRUN)
        for (size_t o = j; o < j + OVERRUN; o += 2)
            copy_pair(k, next, from->stride, f + o, t + o, at + o, exact);
    to->n += n;
}

/* The points whose piece is not that of the one before. */
static inline size_t changes(const chain *c, unsigned *restrict out)
{
    const int *restrict at = c->at;
    size_t found = 0, i = 1;
    for (; i + 4 <= c->n; i += 4)
        for (size_t o = i; o < i + 4; o++) {
            out[found] = (unsigned)o;
            found += at[o] != at[o - 1];
        }
    for (; i < c->n; i++) {
        out[found] = (unsigned)i;
        found += at[i] != at[i - 1];
    }
    return found;
}

/* The same at share T of the interval below point I. */
static inline double between(const double *x, size_t i, double t)
{
    return x[i] + t * (x[i + 1] - x[i]);
}

/* A break point where the angle meets knot R, at the end of interval I.  OF is the piece that kicks
 * those above, and BELOW the one where those below are: the original takes the piece above the knot
 * also where the map is folded and they are below. */
static int meet(const level *l, const level *next, const chain *from, size_t i, chain *to,
                int of, int r, int below, bool exact)
{
    const piece *k = l->piece;
    double a = r * l->spacing;
    double t = (a - from->angle[i]) / (from->angle[i + 1] - from->angle[i]);
    double today = between(from->today, i, t), w = between(from->frequency, i, t);
    bool continuous = 0 < r && r < l->last && (of == r || of == r + 1);
    if (!continuous)
        append(to, next, today, a, w - (k[of].base[0] + k[of].slope[0] * a), w);
    of = exact ? below : r + 1;
    append(to, next, today, a, w - (k[of].base[0] + k[of].slope[0] * a),
           exact ? 0 : from->taken[i] - (from->frequency[i] - w) - k[r + 1].value[0]);
    return of;
}

/* The same where all is well: up to the next piece, between two knots that are not the outermost. */
ALWAYS_INLINE void meet_next(const level *l, const level *next, const chain *from,
                             size_t i, chain *to, int r, bool exact)
{
    double a = r * l->spacing, value = l->piece[r + 1].value[0];
    double t = (a - from->angle[i]) / (from->angle[i + 1] - from->angle[i]);
    double w = between(from->frequency, i, t);
    append(to, next, between(from->today, i, t), a, w - value,
           exact ? 0 : from->taken[i] - (from->frequency[i] - w) - value);
}

/* From point I - 1 to I, in other pieces; returns the piece that kicks I. */
static int pass(const level *l, const level *next, const chain *from, size_t i, chain *to,
                int of, bool exact)
{
    int now = from->at[i - 1], then = from->at[i];
    if (from->today[i - 1] <= from->today[i]) /* a jump, which meets no knot */
        return exact ? then : of;
    for (int r = now; r < then; r++)
        of = meet(l, next, from, i - 1, to, of, r, r + 1, exact);
    for (int r = now - 1; r >= then; r--)
        of = meet(l, next, from, i - 1, to, of, r, r, exact);
    return of;
}

/* The most points that passing may add. */
static size_t most_added(const chain *c, size_t n, const unsigned *change)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += 2 * (size_t)abs(c->at[change[i]] - c->at[change[i] - 1]);
    return sum;
}

/* All break points, and new ones at knots.  False: no room. */
ALWAYS_INLINE bool kick_points(const problem *p, const level *l, const chain *was,
                               chain *out, bool exact)
{
    size_t n = changes(was, p->change), done = 0;
    const level *next = l + 1;
    const chain from = *was;
    chain to = *out;
    int of = from.at[0];
    to.n = 0;
    if (from.n + most_added(was, n, p->change) + OVERRUN > from.stride)
        return false;
    for (size_t c = 0; c < n; c++) {
        size_t i = p->change[c];
        int now = from.at[i - 1], then = from.at[i];
        copy(&l->piece[of], next, &from, done, i - done, &to, exact);
        done = i;
        if (then == now + 1 && of == now && 0 < now && now < l->last &&
            from.today[i - 1] > from.today[i]) {
            meet_next(l, next, &from, i - 1, &to, now, exact);
            of = then;
        } else
            of = pass(l, next, &from, i, &to, of, exact);
    }
    copy(&l->piece[of], next, &from, done, from.n - done, &to, exact);
    *out = to;
    return true;
}

/* leaving out what does not count */

static void drop_first(chain *c, size_t n)
{
    c->n -= n;
    c->today += n;
    c->angle += n;
    c->frequency += n;
    c->taken += n;
    c->at += n;
}

/* True when no later kick can bring point I down from the tail. */
static bool in_tail(const problem *p, const level *l, const chain *c, size_t i)
{
    return c->frequency[i] > p->smooth->offset + TAIL * p->smooth->sigma + l->rise;
}

/* True when no later kick can bring point I to the progenitor within the age. */
static bool never_released(const problem *p, const level *l, const chain *c, size_t i)
{
    double end = p->level[p->n_levels - 1].time;
    double taken = p->exact ? c->frequency[i] : c->taken[i];
    return c->angle[i] - c->frequency[i] * (end - l->time) -
               taken * (p->smooth->age - end) >
           l->delay;
}

/* Before kick L.  Intervals that do not count for sure, but for one above, where the original's
 * account begins, and a few below, where it looks for the end. */
static void drop_outside(const problem *p, const level *l, chain *c)
{
    size_t n = 0, i = c->n - 1, spare = p->exact ? 0 : SPARE;
    while (n + 2 < c->n && (c->today[n + 1] >= p->window.high ||
                            (in_tail(p, l, c, n) && in_tail(p, l, c, n + 1))))
        n++;
    while (i > n + 1 && (c->today[i - 1] <= p->window.low ||
                         (never_released(p, l, c, i) && never_released(p, l, c, i - 1))))
        i--;
    c->n = i + 1 + spare < c->n ? i + 1 + spare : c->n;
    drop_first(c, n);
}

/* the end of the integral */

/* How much later than the beginning of the stream a star at point I was released, as an angle. */
static double leeway(const problem *p, const chain *c, size_t i, double frequency)
{
    return frequency * (p->smooth->age - p->level[p->n_levels - 1].time) - c->angle[i];
}

/* The part of the interval below point I that was released. */
static void add_released(problem *p, const chain *c, size_t i)
{
    double upper = leeway(p, c, i, c->frequency[i]);
    double lower = leeway(p, c, i + 1, c->frequency[i + 1]);
    double share = upper / (upper - lower); /* to where it is 0 */
    double width = c->today[i] - c->today[i + 1];
    double fall = c->frequency[i] - c->frequency[i + 1];
    if (upper >= 0)
        add_share(p, c, i, lower >= 0 ? 1 : share);
    else if (lower >= 0)
        add(p, c->today[i] - share * width, (1 - share) * width,
            c->frequency[i] - share * fall, (1 - share) * fall);
}

/* Repeats the last point, for whoever looks two by two. */
static void close_chain(chain *c)
{
    for (size_t i = c->n; i < c->n + 2; i++) {
        c->today[i] = c->today[i - 1];
        c->angle[i] = c->angle[i - 1];
        c->frequency[i] = c->frequency[i - 1];
        c->taken[i] = c->taken[i - 1];
    }
}

/* The first N intervals; in the exact mode only what was released. */
static void add_first(problem *p, const chain *c, size_t n)
{
    double offset = p->smooth->offset, per_sigma = 1 / p->smooth->sigma;
    double left = p->smooth->age - p->level[p->n_levels - 1].time;
    const double *taken = p->exact ? c->frequency : c->taken;
    pair sum = {0}, moment = {0};
    for (size_t i = 0; i < n; i += 2) {
        pair w = load(c->frequency + i), next = load(c->frequency + i + 1);
        pair today = load(c->today + i), width = today - load(c->today + i + 1);
        pair u = (load(taken + i) - offset) * per_sigma, fall = (w - next) * per_sigma;
        pair_bits mask = (pair_bits)(fall * fall <= NARROW * NARROW), rest = ~mask;
        if (p->exact) {
            pair_bits upper = (pair_bits)(w * left >= load(c->angle + i));
            pair_bits lower = (pair_bits)(next * left >= load(c->angle + i + 1));
            mask &= upper & lower;
            rest = (upper | lower) & ~mask;
        }
        if (i + 1 == n)
            mask[1] = rest[1] = 0;
        narrow(today, width, u, fall, mask, &sum, &moment);
        for (size_t k = 0; k < 2; k++)
            if (rest[k] && p->exact)
                add_released(p, c, i + k);
            else if (rest[k])
                add_share(p, c, i + k, 1);
    }
    p->sum += sum[0] + sum[1];
    p->moment += moment[0] + moment[1];
}

/* Stars at negative angles were released later and meet no more kicks: their part is added. */
static void drop_released(problem *p, chain *c)
{
    size_t n = 0;
    while (n + 1 < c->n && c->at[n] == 0 && c->frequency[n] > 0)
        n++;
    n -= n > 0; /* points: one interval fewer */
    add_first(p, c, n);
    drop_first(c, n);
}

/* Where in the interval below point I the original sees its leeway at an end, as a share of it. */
static double end_share(const problem *p, const chain *c, size_t i)
{
    double left = p->smooth->age - p->level[p->n_levels - 1].time;
    return leeway(p, c, i, c->taken[i]) /
           (left * (c->frequency[i] - c->frequency[i + 1]) + c->angle[i + 1] -
            c->angle[i]);
}

/* The original's lowest interval: the first from below whose end lies in it or at most 10 widths
 * below; or the one before, where that end is nearer.  The lowest of all is measured by the width of
 * those above.  Returns its upper point, and in *BELOW how many intervals lie below. */
static size_t end_interval(const problem *p, const chain *c, double a, size_t *below,
                           double *share)
{
    double before = INFINITY, all = a / p->level[0].time - c->today[c->n - 2];
    size_t previous = 0;
    *below = 0;
    for (size_t i = c->n - 1; i-- > 0;) {
        if (c->today[i] <= c->today[i + 1])
            continue;
        *share = end_share(p, c, i);
        double ratio = *below ? *share : *share * (c->today[i] - c->today[i + 1]) / all;
        if (*share >= 0 && ratio <= 10) {
            if (!*below || !(-before < ratio))
                return i;
            *share = end_share(p, c, previous);
            --*below;
            return previous;
        }
        before = ratio;
        previous = i;
        ++*below;
    }
    *below = 0;
    return c->n - 2;
}

/* False: too much was left out to tell. */
static bool add_original(problem *p, const chain *c, double a)
{
    double share;
    size_t below, end = end_interval(p, c, a, &below, &share);
    if (!p->whole && below < 2)
        return false;
    add_first(p, c, end);
    double low = a / p->smooth->age, bottom = c->today[end];
    if (below)
        add_share(p, c, end, share);
    else /* nobody below is kicked */
        add(p, bottom, bottom - low, bottom, bottom - low);
    return true;
}

/* the window */

/* Of g between two angles, in whole blocks. */
static inline block kick_range(const level *l, range a)
{
    double low = a.low * l->per_block, high = a.high * l->per_block;
    bool inside = low >= 0 && high <= l->length;
    block g = {inside ? INFINITY : 0, inside ? -INFINITY : 0, 0, 0};
    if (high < 0 || low > l->length)
        return g;
    int first = low > 0 ? (int)low : 0,
        end = high < l->length ? (int)high + 1 : l->blocks;
    for (int i = first; i < end; i++) {
        const block *b = &l->block[i];
        g.low = b->low < g.low ? b->low : g.low;
        g.high = b->high > g.high ? b->high : g.high;
        g.step = b->step > g.step ? b->step : g.step;
    }
    return g;
}

/* False when all stars of a range of angles and frequencies, whatever their paths, end up in the
 * tail or were not released. */
static bool counts(const problem *p, range a, range w)
{
    const smooth *s = p->smooth;
    double slack = 0, tail = s->offset + TAIL * s->sigma;
    for (const level *l = p->level; l < p->level + p->n_levels; l++) {
        a.low -= l->since[0] * w.high;
        a.high -= l->since[0] * w.low;
        if (w.low > tail + l->rise || a.low - w.high * (s->age - l->time) > l->delay)
            return false;
        if (a.high < 0 && w.low > 0)
            return w.low < tail;
        block g = kick_range(l, a);
        w.low -= g.high;
        w.high -= g.low;
        slack += p->exact ? 0 : g.step;
    }
    return w.low < tail &&
           a.low <= (w.high + slack) * (s->age - p->level[p->n_levels - 1].time);
}

static void bound_levels(problem *p)
{
    for (size_t j = p->n_levels; j-- > 0;) {
        level *l = &p->level[j];
        block g = kick_range(l, (range){-INFINITY, INFINITY});
        p->rise += g.high;
        p->delay -= g.low * (p->smooth->age - l->time);
        p->delay += p->exact ? 0 : g.step * p->smooth->age;
        l->rise = p->rise;
        l->delay = p->delay;
    }
}

/* For angles in a range: from where no star can count for sure, inwards. */
static void find_window(problem *p, range a)
{
    const smooth *s = p->smooth;
    range w = {(a.low - p->delay) / s->age, s->offset + TAIL * s->sigma + p->rise};
    for (double width = 4 * s->sigma; width > 0.2 * s->sigma;)
        if (w.high > w.low && !counts(p, a, (range){w.high - width, w.high}))
            w.high -= width;
        else
            width /= 2;
    for (double width = 4 * s->sigma; width > 0.2 * s->sigma;)
        if (w.high > w.low && !counts(p, a, (range){w.low, w.low + width}))
            w.low += width;
        else
            width /= 2;
    p->window = (range){w.low, fmax(w.high, w.low + 0.1 * s->sigma)};
}

/* one angle */

/* The window; for the original's account with a break point above it and some below, or the whole,
 * from below whoever is kicked. */
static void begin(const problem *p, double a, chain *c)
{
    const level *first = p->level, *last = first + p->n_levels - 1;
    range w = p->window;
    if (!p->exact) {
        w.high += 2 * first->spacing / first->time;
        w.low -= SPARE * last->spacing / last->time;
    }
    for (size_t i = 0; p->whole && i < p->n_levels; i++)
        w.low = fmin(w.low,
                     (a - p->delay - first[i].last * first[i].spacing) / first[i].time);
    c->n = 0;
    append(c, first, w.high, a, w.high, w.high);
    append(c, first, w.low, a, w.low, w.low);
}

/* NRE_OK, OVERFLOW, or NRE_ENUMERIC: the whole is needed. */
static int trace(problem *p, double a)
{
    chain now = p->chain[0];
    p->sum = p->moment = 0;
    begin(p, a, &now);
    for (size_t j = 0; j < p->n_levels; j++) {
        const level *l = &p->level[j];
        chain next = p->chain[(j + 1) % 2];
        if (!p->whole)
            drop_released(p, &now);
        if (!(p->exact ? kick_points(p, l, &now, &next, true)
                       : kick_points(p, l, &now, &next, false)))
            return OVERFLOW;
        if (!p->whole)
            drop_outside(p, l + 1, &next);
        now = next;
    }
    close_chain(&now);
    if (p->exact)
        add_first(p, &now, now.n - 1);
    else if (!add_original(p, &now, a))
        return NRE_ENUMERIC;
    return NRE_OK;
}

static int density_one(problem *p, double a, double *density, double *mean_frequency)
{
    p->whole = false;
    int status = trace(p, a);
    p->whole = status == NRE_ENUMERIC;
    if (p->whole)
        status = trace(p, a);
    *density = p->sum / (sqrt(2 * GD1_PI) * p->smooth->sigma);
    *mean_frequency = p->moment / p->sum;
    return status;
}

/* preparation */

static size_t blocks_of(const kick *k)
{
    return (k->n - 2) / KNOTS + 1;
}

/* Levels, what they point to, and the rest for break points, in one block of memory. */
static size_t bytes_for(size_t n_kicks, const kick *kicks, size_t capacity)
{
    size_t n =
        (n_kicks + 1) * sizeof(level) + capacity * (8 * sizeof(double) + 3 * sizeof(int));
    for (size_t i = 0; i < n_kicks; i++)
        n += (kicks[i].n + 1) * sizeof(piece) + blocks_of(&kicks[i]) * sizeof(block);
    return n;
}

static bool reserve(density_space *space, size_t size)
{
    if (space->size >= size)
        return true;
    density_space_release(space);
    space->memory = malloc(size);
    space->size = space->memory ? size : 0;
    return space->memory != NULL;
}

static void pieces_of(const kick *k, level *l)
{
    l->piece[0] = l->piece[k->n] = (piece){0};
    for (int m = 0; m < l->last; m++) {
        double slope = (k->value[m + 1] - k->value[m]) * l->per_spacing[0];
        l->piece[m + 1] = (piece){twice(k->value[m] - slope * (m * l->spacing)),
                                  twice(slope), twice(k->value[m])};
    }
}

static void blocks_in(const kick *k, level *l)
{
    for (size_t b = 0; b < blocks_of(k); b++) {
        size_t m = b * KNOTS, end = m + KNOTS < k->n ? m + KNOTS : k->n - 1;
        block g = {.low = k->value[m], .high = k->value[m]};
        for (; m < end; m++) {
            g.low = fmin(g.low, k->value[m + 1]);
            g.high = fmax(g.high, k->value[m + 1]);
            g.step = fmax(g.step, fabs(k->value[m + 1] - k->value[m]));
        }
        l->block[b] = g;
    }
}

/* Fills level J and what it points to from REST on; returns what is behind. */
static void *level_in(const kick *kicks, size_t j, void *rest, level *l)
{
    const kick *k = &kicks[j];
    double spacing = k->length / (double)(k->n - 1);
    l->time = k->time;
    l->since = twice(k->time - (j ? kicks[j - 1].time : 0));
    l->spacing = spacing;
    l->per_spacing = twice(1 / spacing);
    l->last = (int)k->n - 1;
    l->end = twice((double)k->n);
    l->per_block = 1 / (KNOTS * spacing);
    l->length = (double)(k->n - 1) / KNOTS;
    l->blocks = (int)blocks_of(k);
    l->piece = rest;
    l->block = (block *)(l->piece + k->n + 1);
    pieces_of(k, l);
    blocks_in(k, l);
    return l->block + blocks_of(k);
}

static void problem_in(const density_space *space, const smooth *s, size_t n_kicks,
                       const kick *kicks, bool exact, problem *p)
{
    *p = (problem){
        .smooth = s, .exact = exact, .n_levels = n_kicks, .level = space->memory};
    void *rest = p->level + n_kicks + 1;
    p->level[n_kicks] = (level){.time = kicks[n_kicks - 1].time}; /* no kick, no way */
    for (size_t j = 0; j < n_kicks; j++)
        rest = level_in(kicks, j, rest, &p->level[j]);
    p->capacity = (space->size - bytes_for(n_kicks, kicks, 0)) /
                  (8 * sizeof(double) + 3 * sizeof(int));
    bound_levels(p);
    double *column = rest;
    int *whole = (int *)(void *)(column + 8 * p->capacity);
    for (size_t i = 0; i < 2; i++, column += 4 * p->capacity, whole += p->capacity)
        p->chain[i] = (chain){.stride = p->capacity,
                              .today = column,
                              .angle = column + p->capacity,
                              .frequency = column + 2 * p->capacity,
                              .taken = column + 3 * p->capacity,
                              .at = whole};
    p->change = (unsigned *)whole;
}

static bool all_finite(size_t n_kicks, const kick *kicks)
{
    double sum = 0;
    for (size_t j = 0; j < n_kicks; j++)
        for (size_t m = 0; m < kicks[j].n; m++)
            sum += 0 * kicks[j].value[m];
    return sum == 0;
}

static void unperturbed(const smooth *s, size_t n, const double *angle, double *density,
                        double *mean_frequency)
{
    for (size_t i = 0; i < n; i++) {
        density[i] = smooth_density(s, s->age, angle[i]);
        mean_frequency[i] = smooth_mean_frequency(s, s->age, angle[i]);
    }
}

/* Groups are the same wherever the work begins, so that the memory there is changes no bit. */
static void group_window(problem *p, size_t i, size_t n, const double *angle)
{
    size_t first = i - i % GROUP, end = first + GROUP < n ? first + GROUP : n;
    range a = {angle[first], angle[first]};
    for (i = first; i < end; i++) {
        a.low = fmin(a.low, angle[i]);
        a.high = fmax(a.high, angle[i]);
    }
    find_window(p, a);
}

/* From angle I on; returns the first for which the memory is too little. */
static size_t densities(problem *p, size_t i, size_t n, const double *angle,
                        double *density, double *mean_frequency)
{
    for (size_t first = i; i < n; i++) {
        if (i == first || i % GROUP == 0)
            group_window(p, i, n, angle);
        if (density_one(p, angle[i], &density[i], &mean_frequency[i]) == OVERFLOW)
            break;
    }
    return i;
}

int DENSITY_AT(const smooth *s, size_t n_kicks, const kick *kicks, bool exact, size_t n,
               const double *angle, double *density, double *mean_frequency,
               density_space *space)
{
    problem p;
    size_t capacity = LEAST_POINTS;
    if (!n_kicks) {
        unperturbed(s, n, angle, density, mean_frequency);
        return NRE_OK;
    }
    if (!all_finite(n_kicks, kicks))
        return NRE_ENUMERIC;
    for (size_t i = 0; i < n; capacity = 2 * p.capacity) {
        if (!reserve(space, bytes_for(n_kicks, kicks, capacity)))
            return NRE_ENOMEM;
        problem_in(space, s, n_kicks, kicks, exact, &p);
        i = densities(&p, i, n, angle, density, mean_frequency);
    }
    return NRE_OK;
}

#ifdef DENSITY_FIRST
#ifdef GD1_AVX2
density_function density_avx2;
#endif

int density_at(const smooth *s, size_t n_kicks, const kick *kicks, bool exact, size_t n,
               const double *angle, double *density, double *mean_frequency,
               density_space *space)
{
    density_function *at = DENSITY_AT;
#ifdef GD1_AVX2
    if (__builtin_cpu_supports("avx2"))
        at = density_avx2;
#endif
    return at(s, n_kicks, kicks, exact, n, angle, density, mean_frequency, space);
}

void density_space_release(density_space *space)
{
    free(space->memory);
    *space = (density_space){0};
}
#endif
