/* report/posterior_table.c - posteriors as JSON, Markdown, LaTeX and CSV. */
#include "report/report.h"

#include <math.h>
#include <string.h>

static const char *const quantile_names[] = {"0.025", "0.16", "0.5", "0.84", "0.975"};

/* JSON */

/* KEY: VALUE in O; true when that is null. */
static bool put_number(json_t *o, const char *key, double value)
{
    json_object_set_new(o, key, json_number(value));
    return !isfinite(value);
}

static const char *chains_reason(const posterior_block *b)
{
    return b->method && strcmp(b->method, "grid") == 0
               ? "a grid has no chains"
               : "its chains are constant, too short or weighted";
}

/* The sentences that apply, as one text. */
static void put_reason(json_t *o, size_t n, const char *const *sentence,
                       const bool *applies)
{
    char text[512] = "";
    size_t used = 0;

    for (size_t i = 0; i < n; i++)
        if (applies[i] && used < sizeof text)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s%s",
                                     used ? "; " : "", sentence[i]);
    if (used > 0)
        json_object_set_new(o, "reason", json_text(text));
}

static json_t *pair_json(const double pair[2])
{
    return json_pack("[oo]", json_number(pair[0]), json_number(pair[1]));
}

static json_t *parameter_json(const posterior_block *b, const parameter_row *p)
{
    json_t *o = json_object(), *quantiles = json_object();
    bool summary = false, maximum = false, error = false, chains = false;

    json_object_set_new(o, "name", json_text(p->name));
    json_object_set_new(o, "label", json_text(p->label));
    json_object_set_new(o, "unit", json_text(p->unit));
    json_object_set_new(o, "derived", json_boolean(p->derived));
    summary |= put_number(o, "mean", p->mean);
    summary |= put_number(o, "sd", p->deviation);
    maximum |= put_number(o, "map", p->map);
    maximum |= put_number(o, "mle", p->mle);
    if (!p->derived) {
        error |= put_number(o, "map_sd", p->map_sd > 0 ? p->map_sd : NAN);
        error |= put_number(o, "mle_sd", p->mle_sd > 0 ? p->mle_sd : NAN);
    }
    for (size_t i = 0; i < 5; i++)
        summary |= put_number(quantiles, quantile_names[i], p->quantile[i]);
    json_object_set_new(o, "quantiles", quantiles);
    json_object_set_new(o, "hdi68", pair_json(p->hdi68));
    json_object_set_new(o, "hdi95", pair_json(p->hdi95));
    chains |= put_number(o, "r_hat", p->r_hat);
    chains |= put_number(o, "ess_bulk", p->ess_bulk);
    chains |= put_number(o, "ess_tail", p->ess_tail);
    put_reason(o, 4,
               (const char *const[]){
                   "the summary was not computed",
                   p->derived ? "a derived quantity has no maximum of its own"
                              : "the maximum was not computed",
                   "why a maximum has no error is said beside it", chains_reason(b)},
               (const bool[]){summary, maximum, error, chains});
    return o;
}

static json_t *block_json(const posterior_block *b)
{
    json_t *o = json_object(), *parameters = json_array(), *limits = json_array();
    bool area = false, predictive = false, chains = false;

    json_object_set_new(o, "target", json_text(b->target));
    json_object_set_new(o, "architecture", json_text(b->architecture));
    json_object_set_new(o, "method", json_text(b->method));
    json_object_set_new(o, "observation", json_text(b->observation));
    for (size_t i = 0; i < b->n_parameters; i++)
        json_array_append_new(parameters, parameter_json(b, &b->parameters[i]));
    json_object_set_new(o, "parameters", parameters);
    for (size_t i = 0; i < b->n_limits; i++)
        json_array_append_new(limits, limit_json(&b->limits[i]));
    json_object_set_new(o, "limits", limits);
    if (b->regions)
        json_object_set_new(o, "regions", json_deep_copy(b->regions));
    json_object_set_new(o, "map", b->map ? json_deep_copy(b->map) : json_null());
    json_object_set_new(o, "mle", b->mle ? json_deep_copy(b->mle) : json_null());
    area |= put_number(o, "area", b->area);
    area |= put_number(o, "area_rank", b->area_rank);
    predictive |= put_number(o, "predictive_rank", b->predictive_rank);
    predictive |= put_number(o, "predictive_distance", b->predictive_distance);
    chains |= put_number(o, "r_hat_max", b->r_hat_max);
    chains |= put_number(o, "ess_min", b->ess_min);
    json_object_set_new(o, "believe", json_text(b->believe));
    json_object_set_new(o, "simulations",
                        b->simulations ? json_integer((json_int_t)b->simulations)
                                       : json_null());
    put_reason(o, 4,
               (const char *const[]){
                   b->area_reason ? b->area_reason
                                  : "the area was not computed, or its samples were too "
                                    "few",
                   "the predictive check was not made", chains_reason(b),
                   "the simulations were not counted"},
               (const bool[]){area, predictive, chains, b->simulations == 0});
    return o;
}

static json_t *table_json(const posterior_table *t)
{
    json_t *rows = json_array();

    for (size_t i = 0; i < t->n_blocks; i++)
        json_array_append_new(rows, block_json(&t->blocks[i]));
    return json_pack("{s:o s:o}", "title", json_text(t->title), "rows", rows);
}

/* Markdown */

static const char *interval_text(arena *a, const double interval[2], double spread)
{
    if (!isfinite(interval[0]) || !isfinite(interval[1]))
        return "n/a";
    const char *low = number_beside(a, interval[0], spread);
    const char *high = number_beside(a, interval[1], spread);
    return low && high ? arena_print(a, "%s to %s", low, high) : NULL;
}

/* Whether a maximum has an error to show. */
static bool has_error(double value, double error)
{
    return isfinite(value) && isfinite(error) && error > 0;
}

/* "0.150 ± 0.224", without the error where there is none. */
static const char *maximum_text(arena *a, double value, double error, double spread)
{
    const char *number = number_beside(a, value, spread);
    const char *beside = number_beside(a, error, error);
    if (!has_error(value, error))
        return number;
    return number && beside ? arena_print(a, "%s ± %s", number, beside) : NULL;
}

static const char *const heads[] = {"parameter", "unit",    "mean",     "sd",
                                    "median",    "68% HDI", "95% HDI",  "MAP",
                                    "MLE",       "R-hat",   "ESS bulk", "ESS tail"};
enum { HEADS = sizeof heads / sizeof heads[0] };

/* The numbers of a row, heads[2] onwards. */
static void numbers_of(arena *a, const parameter_row *p, const char *out[HEADS - 2])
{
    double sd = p->deviation;

    out[0] = number_beside(a, p->mean, sd);
    out[1] = number_beside(a, sd, sd);
    out[2] = number_beside(a, p->quantile[2], sd);
    out[3] = interval_text(a, p->hdi68, sd);
    out[4] = interval_text(a, p->hdi95, sd);
    out[5] = maximum_text(a, p->map, p->map_sd, sd);
    out[6] = maximum_text(a, p->mle, p->mle_sd, sd);
    out[7] = number_text(a, p->r_hat, 3);
    out[8] = number_text(a, p->ess_bulk, 0);
    out[9] = number_text(a, p->ess_tail, 0);
}

static int parameters_markdown(const posterior_block *b, sheet *s)
{
    const char *number[HEADS - 2];
    columns c;

    columns_start(&c, s->a, HEADS, "llrrrrrrrrrr");
    for (size_t k = 0; k < HEADS; k++)
        columns_add(&c, heads[k]);
    for (size_t i = 0; i < b->n_parameters; i++) {
        const parameter_row *p = &b->parameters[i];
        const char *name = markdown_escape(s->a, p->name);
        columns_add(&c,
                    name && p->derived ? arena_print(s->a, "%s (derived)", name) : name);
        columns_add(&c, markdown_escape(s->a, p->unit));
        numbers_of(s->a, p, number);
        for (size_t k = 0; k + 2 < HEADS; k++)
            columns_add(&c, number[k]);
    }
    return columns_markdown(&c, s->out);
}

const char *posterior_title(arena *a, const posterior_block *b)
{
    const char *target = target_text(a, b->target);
    bool joint = b->observation && strcmp(b->observation, "joint") == 0;

    if (!target)
        return NULL;
    return arena_print(a, "%s given %s%s (%s, %s)",
                       strcmp(target, "all") == 0 ? "all parameters" : target,
                       joint ? "all observations jointly" : "observation ",
                       joint || !b->observation ? "" : b->observation,
                       b->architecture ? b->architecture : "no network",
                       b->method ? b->method : "no method");
}

static int block_markdown(const posterior_block *b, sheet *s)
{
    fputs("\n## ", s->out);
    markdown_put(s->out, posterior_title(s->a, b));
    fputs("\n\n", s->out);
    int status = parameters_markdown(b, s);
    if (!status)
        status = limits_markdown(b, s);
    if (!status)
        status = regions_markdown(b, s);
    fputc('\n', s->out);
    markdown_put(s->out, observation_words(s->a, b));
    fputs("\n\n**", s->out);
    markdown_put(s->out, belief_words(s->a, b));
    fputs("**\n", s->out);
    if (b->simulations > 0)
        fprintf(s->out, "\n%s simulations.\n", count_text(s->a, b->simulations));
    return status;
}

static const char legend[] = "Mean and standard deviation (sd) of the posterior; HDI: "
                             "shortest interval of that mass; MAP: "
                             "maximum of the posterior density of all parameters of the "
                             "target together; MLE: maximum of the "
                             "ratio; each ± the error that follows from its curvature at "
                             "half a deviation, where there is one. Area: integral of "
                             "p(theta) r(x|theta), 1 for a "
                             "right ratio, and its rank among test "
                             "simulations. Distance: of the standardised observation to "
                             "the nearest training simulation.";

static int write_markdown(const posterior_table *t, const char *folder)
{
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("# Posterior: ", s.out);
    markdown_put(s.out, t->title);
    fputc('\n', s.out);
    for (size_t i = 0; i < t->n_blocks && !status; i++)
        status = block_markdown(&t->blocks[i], &s);
    fputc('\n', s.out);
    markdown_put(s.out, legend);
    fputc('\n', s.out);
    if (!status)
        return sheet_save_in(&s, folder, "posterior.md");
    sheet_drop(&s);
    return status;
}

/* LaTeX */

static void number_latex(FILE *out, const char *number)
{
    bool missing = !number || strcmp(number, "n/a") == 0;

    fputs(missing ? " & n/a" : " & $", out);
    if (!missing) {
        latex_number_put(out, number);
        fputc('$', out);
    }
}

static void interval_latex(sheet *s, const double interval[2], double spread)
{
    if (!isfinite(interval[0]) || !isfinite(interval[1])) {
        fputs(" & n/a", s->out);
        return;
    }
    fputs(" & $[", s->out);
    latex_number_put(s->out, number_beside(s->a, interval[0], spread));
    fputs(",\\,", s->out);
    latex_number_put(s->out, number_beside(s->a, interval[1], spread));
    fputs("]$", s->out);
}

static void maximum_latex(sheet *s, double value, double error, double spread)
{
    number_latex(s->out, number_beside(s->a, value, spread));
    if (!has_error(value, error))
        return;
    fputs(" $\\pm$ $", s->out);
    latex_number_put(s->out, number_beside(s->a, error, error));
    fputc('$', s->out);
}

static void parameter_latex(sheet *s, const parameter_row *p)
{
    fputs("\\quad ", s->out);
    latex_put(s->out, p->name);
    if (p->unit && p->unit[0]) {
        fputs(" [", s->out);
        latex_put(s->out, p->unit);
        fputc(']', s->out);
    }
    number_latex(s->out, number_beside(s->a, p->mean, p->deviation));
    number_latex(s->out, number_beside(s->a, p->deviation, p->deviation));
    interval_latex(s, p->hdi68, p->deviation);
    interval_latex(s, p->hdi95, p->deviation);
    maximum_latex(s, p->map, p->map_sd, p->deviation);
    maximum_latex(s, p->mle, p->mle_sd, p->deviation);
    fputs(" \\\\\n", s->out);
}

static void block_latex(sheet *s, const posterior_block *b, bool first)
{
    fputs(first ? "" : "\\addlinespace\n", s->out);
    fputs("\\multicolumn{7}{l}{\\textit{", s->out);
    latex_put(s->out, posterior_title(s->a, b));
    fputs("}} \\\\\n", s->out);
    for (size_t i = 0; i < b->n_parameters; i++)
        parameter_latex(s, &b->parameters[i]);
    limits_latex(b, s, 7);
    regions_latex(b, s, 7);
    fputs("\\multicolumn{7}{l}{\\quad area ", s->out);
    latex_put(s->out, number_text(s->a, b->area, 3));
    fputs(" (rank ", s->out);
    latex_put(s->out, number_text(s->a, b->area_rank, 3));
    fputs("), predictive rank ", s->out);
    latex_put(s->out, number_text(s->a, b->predictive_rank, 3));
    fputs(posterior_believed(b) ? "} \\\\\n" : "; \\textbf{not to be believed}} \\\\\n",
          s->out);
}

static int write_latex(const posterior_table *t, const char *folder)
{
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("% Needs \\usepackage{booktabs}.\n\\begin{table}\n\\centering\n\\caption{",
          s.out);
    latex_put(s.out, t->title);
    fputs(": posterior. ", s.out);
    latex_put(s.out, legend);
    fputs("}\n\\label{tab:posterior}\n\\smallskip\n\\footnotesize\n\\setlength{"
          "\\tabcolsep}{3pt}\n"
          "\\makebox[\\textwidth][c]{%\n\\begin{tabular}{lrrrrrr}\n\\toprule\n"
          "Parameter & mean & sd & 68\\% HDI & 95\\% HDI & MAP & MLE \\\\\n\\midrule\n",
          s.out);
    for (size_t i = 0; i < t->n_blocks; i++)
        block_latex(&s, &t->blocks[i], i == 0);
    fputs("\\bottomrule\n\\end{tabular}}\n\\end{table}\n", s.out);
    return sheet_save_in(&s, folder, "posterior.tex");
}

/* CSV */

static void parameter_csv(FILE *out, const posterior_block *b, const parameter_row *p)
{
    const char *text[] = {b->target,      b->architecture, b->method,
                          b->observation, p->name,         p->unit};
    const double number[] = {p->mean,
                             p->deviation,
                             p->map,
                             p->map_sd > 0 ? p->map_sd : NAN,
                             p->mle,
                             p->mle_sd > 0 ? p->mle_sd : NAN,
                             p->quantile[0],
                             p->quantile[1],
                             p->quantile[2],
                             p->quantile[3],
                             p->quantile[4],
                             p->hdi68[0],
                             p->hdi68[1],
                             p->hdi95[0],
                             p->hdi95[1],
                             p->r_hat,
                             p->ess_bulk,
                             p->ess_tail,
                             b->area,
                             b->area_rank,
                             b->predictive_rank,
                             b->predictive_distance};

    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        csv_put(out, text[i]);
        fputc(',', out);
    }
    fputs(p->derived ? "true" : "false", out);
    for (size_t i = 0; i < sizeof number / sizeof number[0]; i++) {
        fputc(',', out);
        exact_put(out, number[i]);
    }
    if (b->simulations > 0)
        fprintf(out, ",%llu,", (unsigned long long)b->simulations);
    else
        fputs(",n/a,", out);
    csv_put(out, b->believe);
    fputc('\n', out);
}

static int write_csv(const posterior_table *t, const char *folder)
{
    sheet s;
    int status = sheet_open(&s);

    if (status)
        return status;
    fputs("target,architecture,method,observation,parameter,unit,derived,mean,sd,map,map_"
          "sd,mle,mle_sd,"
          "q0.025,"
          "q0.16,q0.5,q0.84,q0.975,hdi68_low,hdi68_high,hdi95_low,hdi95_high,r_hat,ess_"
          "bulk,"
          "ess_tail,area,area_rank,predictive_rank,predictive_distance,simulations,"
          "believe\n",
          s.out);
    for (size_t i = 0; i < t->n_blocks; i++)
        for (size_t k = 0; k < t->blocks[i].n_parameters; k++)
            parameter_csv(s.out, &t->blocks[i], &t->blocks[i].parameters[k]);
    return sheet_save_in(&s, folder, "posterior.csv");
}

int posterior_table_write(const posterior_table *t, const char *folder)
{
    int status = json_save_in(folder, "posterior.json", table_json(t));

    if (!status)
        status = write_markdown(t, folder);
    if (!status)
        status = write_latex(t, folder);
    if (!status)
        status = write_csv(t, folder);
    if (!status)
        status = limits_csv(t, folder);
    return status ? status : regions_csv(t, folder);
}
