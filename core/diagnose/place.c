/* diagnose/place.c - observed rows among test rows: which lie outside, and are these more than chance brings? */
#include "diagnose/diagnose.h"

#include <gsl/gsl_cdf.h>
#include <math.h>

/* Largest of many that the law of the tail is fitted to, how few are enough for it, of how many rows; test rows for
 * each row that is judged: with fewer, the errors of that law would add up to false alarms. */
enum { TAIL_PART = 20, TAIL_LEAST = 5, TAIL_FEWEST = 20, TAIL_ROWS = 50 };

/* Chance of a value of one more row, INVERSE: of its reciprocal.  Ranks tell it up to the largest of
 * all; beyond, that of a Pareto law of which the K excesses are known, log x / x_k exponential (Hill
 * 1975, Annals of Statistics 3, 1163): (1 + y / sum)^-K for the next one, y its own. */
static double chance_beyond(size_t n, const double *sorted, double value, bool inverse,
                            bool has_tail)
{
    double below = fraction_below(n, sorted, value),
           up_to = fraction_below(n, sorted, nextafter(value, INFINITY));
    double at_least = (inverse ? up_to : 1 - below) * (double)n,
           by_rank = (1 + round(at_least)) / (double)(n + 1);
    size_t k = n / TAIL_PART > TAIL_LEAST ? n / TAIL_PART : TAIL_LEAST;
    double sum = 0, sign = inverse ? -1 : 1;

    if (!has_tail || round(at_least) > 0 || n < TAIL_FEWEST)
        return by_rank;
    double start = log(sorted[inverse ? k : n - 1 - k]);
    for (size_t i = 0; i < k; i++)
        sum += sign * (log(sorted[inverse ? i : n - 1 - i]) - start);
    if (!(isfinite(sum) && sum > 1e-9 * (double)k))
        return by_rank;
    double beyond = pow(1 + sign * (log(value) - start) / sum, -(double)k);
    return fmin(by_rank, beyond * (double)(k + 1) / (double)(n + 1));
}

static double chance_of(size_t n, const double *sorted, double value, place_sides sides,
                        bool has_tail)
{
    if (n == 0 || isnan(value))
        return NAN;
    double above = chance_beyond(n, sorted, value, false, has_tail);
    return sides == PLACE_ABOVE
               ? above
               : fmin(1,
                      2 * fmin(above, chance_beyond(n, sorted, value, true, has_tail)));
}

double place_p(size_t n, const double *sorted, double value, place_sides sides)
{
    return chance_of(n, sorted, value, sides, true);
}

/* Of M new rows OUT are beyond: so many or more, when test rows and new ones are drawn alike.  Beyond is
 * past the test row from the end that is the last with p < FINDING_LEVEL, so that OUT of M or more are
 * when these are among the OUT + AT - 1 farthest of all. */
static double chance_of_so_many(size_t n, size_t m, size_t out, place_sides sides)
{
    size_t ends = sides == PLACE_ABOVE ? 1 : 2, at = 0;

    while ((double)(ends * (at + 1)) / (double)(n + 1) < FINDING_LEVEL)
        at++;
    return at && out
               ? gsl_cdf_hypergeometric_Q((unsigned)out - 1, (unsigned)m, (unsigned)n,
                                          (unsigned)(out + ends * at - 1))
               : 1;
}

places places_of(size_t n, const double *sorted, size_t m, const double *value,
                 place_sides sides)
{
    places out = {.p = NAN};
    double least = INFINITY, ends = sides == PLACE_ABOVE ? 1 : 2;
    bool has_tail = m == 1 || n >= TAIL_ROWS * m;

    for (size_t i = 0; i < m; i++) {
        double p = chance_of(n, sorted, value[i], sides, has_tail);
        if (isnan(p))
            continue;
        out.n++;
        out.outside += p < FINDING_LEVEL;
        out.farthest = p < least ? i : out.farthest;
        least = fmin(least, p);
    }
    if (out.n > 1)
        out.p = fmin(1, 2 * fmin((double)out.n * least,
                                 chance_of_so_many(n, out.n, out.outside, sides)));
    else if (out.n == 1)
        out.p = least;
    double by_rank = (out.n > 1 ? 2 * (double)out.n : 1) * ends / (double)(n + 1);
    out.too_few = (!has_tail || n < TAIL_FEWEST) && by_rank >= FINDING_LEVEL;
    return out;
}
