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
 * The original code differs in two ways, which ORIGINAL keeps: at a break point of an earlier
 * time it takes the kick of the last knot, not that at the point, in the value of W_n there; and
 * it finds the end of the integral by a rule of thumb.  Where the map folds it also takes the
 * slope of a wrong interval. */
#include "gd1.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TAIL = 7.5;     /* sigmas above the mean that are left out: 3e-14 */
static const double NARROW = 0.25;  /* sigmas: an interval for the series */
static const double FARTHEST = 8.5; /* sigmas from the mean where N is nothing */
enum { LEAST_POINTS = 4096, SPARE = 4, OVERFLOW = 1 };

/* Of a kick, in [m h, (m + 1) h]: value + slope (a - m h). */
typedef struct piece {
    double value, slope;
} piece;

typedef struct level {
    double time, since; /* before today; from the level before */
    double spacing, per_spacing;
    int last;         /* knot */
    piece *piece;     /* [-1 .. last]: the first and the last are 0 */
    double rise;      /* sum of the largest g of this and all later levels */
    double delay;     /* of later levels, sum of the largest -g (age - t) */
    double delay_all; /* of this level too */
} level;

/* Break points in falling order of W.  Two of the same W: a jump between them. */
typedef struct chain {
    size_t n;
    double *today, *angle, *frequency; /* W, a_j, W_j */
    double *
        taken; /* W_j at the upper end of the interval below, by the original's account */
} chain;

typedef struct problem {
    const smooth *smooth;
    bool exact;
    bool whole; /* leave nothing out */
    size_t n_levels, capacity;
    level *level;
    chain chain[2];
    double sum, moment; /* of N and W N; not normalised */
} problem;

/* the integral over an interval */

/* Of exp(-u^2 / 2) and W times it over W in [TOP - WIDTH, TOP], where u falls linearly from U by FALL:
 * Taylor's series around the middle, whose terms are Hermite polynomials. */
static void add_narrow(problem *p, double top, double width, double u, double fall)
{
    double m = u - fall / 2, s = m * m, f = fall * fall;
    if (s > FARTHEST * FARTHEST)
        return;
    double even =
        1 + f / 24 *
                (s - 1 +
                 f / 80 * ((s - 6) * s + 3 + f / 168 * (((s - 15) * s + 45) * s - 15)));
    double odd = -fall * m / 12 * (1 + f / 40 * (s - 3 + f / 112 * ((s - 10) * s + 15)));
    double weight = width * exp(-s / 2);
    p->sum += weight * even;
    p->moment += weight * ((top - width / 2) * even + width * odd);
}

static void add_wide(problem *p, double top, double width, double u, double fall)
{
    double low = u - fall, rate = width / fall;
    double area = sqrt(GD1_PI / 2) * (erf(u * sqrt(0.5)) - erf(low * sqrt(0.5)));
    double step = exp(-low * low / 2) - exp(-u * u / 2);
    p->sum += rate * area;
    p->moment += rate * (top * area + rate * (step - u * area));
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
    add(p, c->today[i], share * (c->today[i] - c->today[i + 1]), c->taken[i],
        share * (c->frequency[i] - c->frequency[i + 1]));
}

/* one kick */

static int piece_at(const level *l, double a)
{
    double m = floor(a * l->per_spacing);
    return m < -1 ? -1 : m > l->last ? l->last : (int)m;
}

static void append(chain *c, double today, double angle, double frequency, double taken)
{
    size_t i = c->n++;
    c->today[i] = today;
    c->angle[i] = angle;
    c->frequency[i] = frequency;
    c->taken[i] = taken;
}

/* Where a walk along the chain is: in the interval of knots AT, and with the kick of the piece OF,
 * which the original takes from the last break point. */
typedef struct walk {
    int at, of;
    double low, high; /* of the interval */
} walk;

static void walk_to(walk *w, const level *l, int at)
{
    w->at = at;
    w->low = at < 0 ? -INFINITY : at * l->spacing;
    w->high = at == l->last ? INFINITY : (at + 1) * l->spacing;
}

/* W_j after the kick of a piece, extended to angle A. */
static double kicked(const level *l, int of, double frequency, double a)
{
    piece k = l->piece[of];
    return frequency - k.value - k.slope * (a - of * l->spacing);
}

/* A break point where the angle meets knot R, at share T of the interval between I and I + 1. */
static void meet(const problem *p, const level *l, const chain *from, chain *to, size_t i,
                 walk *w, int r, int next)
{
    double a = r * l->spacing;
    double t = (a - from->angle[i]) / (from->angle[i + 1] - from->angle[i]);
    double today = from->today[i] + t * (from->today[i + 1] - from->today[i]);
    double before =
        from->frequency[i] + t * (from->frequency[i + 1] - from->frequency[i]);
    int of = p->exact ? next : r;
    bool continuous = 0 < r && r < l->last && (w->of == r || w->of == r - 1);
    double above = kicked(l, w->of, before, a), below = kicked(l, of, before, a);
    if (!continuous)
        append(to, today, a, above, above);
    append(to, today, a, below,
           p->exact ? below
                    : from->taken[i] - (from->frequency[i] - before) - l->piece[r].value);
    w->of = of;
    walk_to(w, l, next);
}

/* From point I to the next, which lies in another interval of knots.  False: no room. */
static bool pass(const problem *p, const level *l, const chain *from, chain *to, size_t i,
                 walk *w)
{
    int end = piece_at(l, from->angle[i + 1]);
    if (from->today[i] <= from->today[i + 1]) { /* a jump */
        walk_to(w, l, end);
        w->of = p->exact ? end : w->of;
        return true;
    }
    if (to->n + 2 * (size_t)abs(end - w->at) + from->n - i > p->capacity)
        return false;
    while (w->at < end)
        meet(p, l, from, to, i, w, w->at + 1, w->at + 1);
    while (w->at > end)
        meet(p, l, from, to, i, w, w->at, w->at - 1);
    return true;
}

/* Points I and after in the same interval of knots; returns the first that is not. */
static size_t run(const problem *p, const level *l, const chain *from, chain *to,
                  size_t i, const walk *w)
{
    piece k = l->piece[w->of];
    double knot = w->of * l->spacing;
    size_t o = to->n, shift = o - i;
    do {
        double change = k.value + k.slope * (from->angle[i] - knot);
        to->today[i + shift] = from->today[i];
        to->angle[i + shift] = from->angle[i];
        to->frequency[i + shift] = from->frequency[i] - change;
        to->taken[i + shift] = from->taken[i] - (p->exact ? change : k.value);
        i++;
    } while (i < from->n && from->angle[i] >= w->low && from->angle[i] < w->high);
    to->n = i + shift;
    return i;
}

static bool kick_all(const problem *p, const level *l, const chain *from, chain *to)
{
    walk w;
    walk_to(&w, l, piece_at(l, from->angle[0]));
    w.of = w.at;
    to->n = 0;
    for (size_t i = 0;;) {
        i = run(p, l, from, to, i, &w);
        if (i == from->n)
            return true;
        if (!pass(p, l, from, to, i - 1, &w))
            return false;
    }
}

/* leaving out what is known */

static void drop_first(chain *c, size_t n)
{
    c->n -= n;
    c->today += n;
    c->angle += n;
    c->frequency += n;
    c->taken += n;
}

/* Stars at negative angles were released later and meet no more kicks: their part is added.  What
 * stays above the tail, whatever comes, is nothing. */
static void drop_top(problem *p, const level *l, chain *c)
{
    size_t n = 0;
    while (n + 2 < c->n && c->angle[n + 1] < 0 && c->frequency[n + 1] > 0)
        add_share(p, c, n++, 1);
    double tail = p->smooth->offset + TAIL * p->smooth->sigma + l->rise;
    while (n + 2 < c->n && c->frequency[n + 1] > tail && c->frequency[n] > tail)
        n++;
    drop_first(c, n);
}

/* True when no later kick can bring point I to the progenitor within the age. */
static bool never_released(const problem *p, const level *l, const chain *c, size_t i)
{
    double end = p->level[p->n_levels - 1].time;
    return c->angle[i] - c->frequency[i] * (end - l->time) -
               c->taken[i] * (p->smooth->age - end) >
           l->delay;
}

static void drop_bottom(const problem *p, const level *l, chain *c)
{
    size_t n = c->n;
    while (n > SPARE && never_released(p, l, c, n - SPARE))
        n--;
    c->n = n;
}

/* the end of the integral */

/* How much later than the beginning of the stream a star at point I was released, as an angle. */
static double leeway(const problem *p, const chain *c, size_t i, double frequency)
{
    return frequency * (p->smooth->age - p->level[p->n_levels - 1].time) - c->angle[i];
}

static void add_exact(problem *p, const chain *c)
{
    for (size_t i = 0; i + 1 < c->n; i++) {
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
    for (size_t i = 0; i < end; i++)
        if (c->today[i] > c->today[i + 1])
            add_share(p, c, i, 1);
    double low = a / p->smooth->age, bottom = c->today[end];
    if (below)
        add_share(p, c, end, share);
    else /* nobody below is kicked */
        add(p, bottom, bottom - low, bottom, bottom - low);
    return true;
}

/* one angle */

/* Above all but the tail by a knot, which the original's account hangs on, and below whoever was
 * released or, for the whole, is kicked. */
static void begin(const problem *p, double a, chain *c)
{
    const smooth *s = p->smooth;
    const level *first = p->level, *last = first + p->n_levels - 1;
    double high =
        s->offset + TAIL * s->sigma + first->rise + 2 * first->spacing / first->time;
    double delay = first->delay_all;
    double low = (a - delay) / s->age - SPARE * last->spacing / last->time;
    for (size_t i = 0; p->whole && i < p->n_levels; i++)
        low = fmin(low, (a - delay - first[i].last * first[i].spacing) / first[i].time -
                            s->sigma);
    c->n = 0;
    append(c, high, a, high, high);
    low = fmin(low, high - s->sigma);
    append(c, low, a, low, low);
}

/* NRE_OK, OVERFLOW, or NRE_ENUMERIC: the whole is needed. */
static int trace(problem *p, double a)
{
    chain now = p->chain[0];
    p->sum = p->moment = 0;
    begin(p, a, &now);
    for (size_t j = 0; j < p->n_levels; j++) {
        const level *l = &p->level[j];
        for (size_t i = 0; i < now.n; i++)
            now.angle[i] -= l->since * now.frequency[i];
        if (!p->whole)
            drop_top(p, l, &now);
        chain next = p->chain[(j + 1) % 2];
        if (!kick_all(p, l, &now, &next))
            return OVERFLOW;
        now = next;
        if (!p->whole)
            drop_bottom(p, l, &now);
    }
    if (p->exact)
        add_exact(p, &now);
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

static size_t pieces_of(size_t n_kicks, const kick *kicks)
{
    size_t n = 0;
    for (size_t i = 0; i < n_kicks; i++)
        n += kicks[i].n + 1;
    return n;
}

/* Levels, pieces and two chains in one block; what is left of it is for the chains. */
static size_t bytes_for(size_t n_kicks, size_t n_pieces, size_t capacity)
{
    return n_kicks * sizeof(level) + n_pieces * sizeof(piece) +
           8 * capacity * sizeof(double);
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

static void level_of(const kick *k, double before, piece *pieces, level *out)
{
    int last = (int)k->n - 1;
    double spacing = k->length / last;
    *out = (level){.time = k->time,
                   .since = k->time - before,
                   .spacing = spacing,
                   .per_spacing = 1 / spacing,
                   .last = last,
                   .piece = pieces + 1};
    out->piece[-1] = out->piece[last] = (piece){0, 0};
    for (int m = 0; m < last; m++) {
        out->piece[m].value = k->value[m];
        out->piece[m].slope = (k->value[m + 1] - k->value[m]) / spacing;
    }
}

/* What the levels' kicks can do at most, from the last on. */
static void bound_levels(const kick *kicks, double age, size_t n, level *levels)
{
    double rise = 0, delay = 0;
    for (size_t j = n; j-- > 0;) {
        double most = 0, least = 0;
        for (size_t m = 0; m < kicks[j].n; m++) {
            most = fmax(most, kicks[j].value[m]);
            least = fmin(least, kicks[j].value[m]);
        }
        levels[j].delay = delay;
        levels[j].rise = rise += most;
        levels[j].delay_all = delay -= least * (age - kicks[j].time);
    }
}

static void problem_in(const density_space *space, const smooth *s, size_t n_kicks,
                       const kick *kicks, bool exact, problem *p)
{
    size_t n_pieces = pieces_of(n_kicks, kicks);
    *p = (problem){
        .smooth = s, .exact = exact, .n_levels = n_kicks, .level = space->memory};
    piece *pieces = (piece *)(p->level + n_kicks);
    double *rest = (double *)(pieces + n_pieces);
    p->capacity = (space->size - bytes_for(n_kicks, n_pieces, 0)) / (8 * sizeof(double));
    for (size_t i = 0; i < 8; i++, rest += p->capacity) {
        chain *c = &p->chain[i / 4];
        *(double **[]){&c->today, &c->angle, &c->frequency, &c->taken}[i % 4] = rest;
    }
    for (size_t j = 0; j < n_kicks; pieces += kicks[j++].n + 1)
        level_of(&kicks[j], j ? kicks[j - 1].time : 0, pieces, &p->level[j]);
    bound_levels(kicks, s->age, n_kicks, p->level);
}

static void unperturbed(const smooth *s, size_t n, const double *angle, double *density,
                        double *mean_frequency)
{
    for (size_t i = 0; i < n; i++) {
        density[i] = smooth_density(s, s->age, angle[i]);
        mean_frequency[i] = smooth_mean_frequency(s, s->age, angle[i]);
    }
}

int density_at(const smooth *s, size_t n_kicks, const kick *kicks, bool exact, size_t n,
               const double *angle, double *density, double *mean_frequency,
               density_space *space)
{
    problem p;
    size_t n_pieces = pieces_of(n_kicks, kicks), capacity = LEAST_POINTS;
    if (!n_kicks) {
        unperturbed(s, n, angle, density, mean_frequency);
        return NRE_OK;
    }
    for (size_t i = 0; i < n;) {
        if (!reserve(space, bytes_for(n_kicks, n_pieces, capacity)))
            return NRE_ENOMEM;
        problem_in(space, s, n_kicks, kicks, exact, &p);
        while (i < n &&
               density_one(&p, angle[i], &density[i], &mean_frequency[i]) != OVERFLOW)
            i++;
        capacity = 2 * p.capacity;
    }
    return NRE_OK;
}

void density_space_release(density_space *space)
{
    free(space->memory);
    *space = (density_space){0};
}
