/* Results as a run would report them, and names that break careless writers. */
#ifndef TESTS_EXAMPLE_H
#define TESTS_EXAMPLE_H

#include "../base/scratch.h"
#include "report/report.h"

extern const char *const hostile; /* marks of four languages, bad UTF-8, a blank line */
extern const coverage_table example_coverage, hostile_coverage;
extern const posterior_table example_posterior, hostile_posterior;
/* Target beta,d_infectious passes, "all" fails two checks and its Wilks sets. */
extern const checks_table example_checks, hostile_checks;
extern const quality_table example_quality, hostile_quality;
/* FOLDER/NAME as text; free. */
char *text_of(const scratch *s, const char *name);
size_t count_of(const char *text, const char *word);
/* Fields of RFC 4180 in record RECORD (from 0), field FIELD into OUT; number of fields.
 */
size_t csv_field(const char *text, size_t record, size_t field, char *out, size_t size);

#endif
