/* Units of work: which there are, what they depend on, whether their outputs are there.
 */
#include "support.h"

/* What looks at each test pair once. */
#define PASS " diagnose/sbc diagnose/tarp diagnose/entropy"

static const unit *units_of(trial *t, size_t *n)
{
    const unit *u = NULL;
    cr_assert_eq(units_of_run(&t->run, n, &u), NRE_OK, "%s", error_message());
    return u;
}

static void named(const char *const *settings, const char *wanted)
{
    trial t;
    size_t n;
    char names[1024] = "";
    trial_open(&t, settings);
    const unit *u = units_of(&t, &n);
    for (size_t i = 0; i < n; i++) {
        strcat(names, i ? " " : "");
        strcat(names, u[i].name);
    }
    cr_assert_str_eq(names, wanted);
    trial_close(&t);
}

Test(units, as_the_config_asks)
{
    named(
        SETTINGS("infer.observation={simulate: {n: 1}}"),
        "simulate/train simulate/validation simulate/test train/theta_2 train/all "
        "infer/theta_2 infer/all diagnose/coverage diagnose/area diagnose/predictive" PASS
        " diagnose/likelihood diagnose/posterior_predictive");
    named(SETTINGS("diagnose.area=false"),
          "simulate/train simulate/validation simulate/test train/theta_2 train/all "
          "diagnose/coverage diagnose/predictive" PASS " diagnose/likelihood");
    named(SETTINGS("estimator=prior", "diagnose.predictive=false"),
          "simulate/test diagnose/coverage diagnose/area" PASS);
    named(SETTINGS("estimator=prior"), "simulate/train simulate/test diagnose/coverage "
                                       "diagnose/area diagnose/predictive" PASS);
    named(SETTINGS("estimator=prior", "diagnose.likelihood=true", "diagnose.auc=true"),
          "simulate/train simulate/test diagnose/coverage diagnose/area "
          "diagnose/predictive" PASS " diagnose/likelihood diagnose/auc");
    named(SETTINGS("datasets.calibration={n: 50}", "estimator=exact", "infer.target=all",
                   "diagnose.predictive=false"),
          "simulate/test simulate/calibration diagnose/coverage diagnose/area" PASS);
    named(SETTINGS("datasets.calibration={n: 500}", "infer.calibrate={map: platt}",
                   "infer.target=all", "infer.observation={simulate: {n: 1}}"),
          "simulate/train simulate/validation simulate/test simulate/calibration "
          "train/all calibrate/all infer/all infer/all/uncalibrated diagnose/coverage "
          "diagnose/area diagnose/predictive diagnose/calibration" PASS
          " diagnose/likelihood diagnose/posterior_predictive");
}

/* Which units see another value of KEY: their names in order. */
static void depend(const char *setting, const char *wanted)
{
    trial a, b;
    size_t n, m;
    char names[1024] = "";
    trial_open(&a, SETTINGS("infer.observation={simulate: {n: 1}}"));
    trial_open(&b, SETTINGS("infer.observation={simulate: {n: 1}}", setting));
    const unit *u = units_of(&a, &n), *v = units_of(&b, &m);
    cr_assert_eq(n, m);
    for (size_t i = 0; i < n; i++)
        if (strcmp(u[i].inputs, v[i].inputs)) {
            strcat(names, *names ? " " : "");
            strcat(names, u[i].name);
        }
    cr_assert_str_eq(names, wanted, "%s: %s", setting, names);
    trial_close(&a);
    trial_close(&b);
}

Test(units, depend_on_what_they_use)
{
    depend("train.epochs=3",
           "train/theta_2 train/all infer/theta_2 infer/all diagnose/coverage "
           "diagnose/area diagnose/predictive" PASS
           " diagnose/likelihood diagnose/posterior_predictive");
    depend("infer.sampler.draws=60", "infer/theta_2 infer/all");
    depend("infer.observation={simulate: {n: 1, seed: 8}}",
           "infer/theta_2 infer/all diagnose/area diagnose/predictive "
           "diagnose/likelihood diagnose/posterior_predictive");
    depend("diagnose.coverage.levels=[0.5]", "diagnose/coverage" PASS);
    depend("diagnose.coverage.gate={under: error}", "");
    depend("diagnose.tarp.gate={fails: error}", "");
    depend("diagnose.likelihood.observables=20", "diagnose/likelihood");
    depend("datasets.test.n=61",
           "simulate/test diagnose/coverage diagnose/area diagnose/predictive" PASS
           " diagnose/likelihood diagnose/posterior_predictive");
    depend("train.checkpoint_every=2", "");
    depend("name=other", "");
    depend("datasets.train.shard=17", "");
    depend("report.html=false", "");
    depend(
        "seed=2",
        "simulate/train simulate/validation simulate/test train/theta_2 train/all "
        "infer/theta_2 infer/all diagnose/coverage diagnose/area diagnose/predictive" PASS
        " diagnose/likelihood diagnose/posterior_predictive");
}

Test(units, outputs_that_are_not_there)
{
    trial t;
    size_t n;
    trial_open(&t, SETTINGS("infer.observation={simulate: {n: 1}}", "train.ensemble=2"));
    const unit *u = units_of(&t, &n);
    for (size_t i = 0; i < n; i++)
        cr_assert_not_null(u[i].missing(&t.run, &u[i]), "%s", u[i].name);
    cr_assert(strstr(u[0].missing(&t.run, &u[0]), "run/data/train/manifest.json"));
    const char *first = folder_path(t.run.folder, "model/theta_2/member-0/weights.h5");
    cr_assert_eq(folder_make(path_folder(t.run.folder->arena, first)), NRE_OK);
    cr_assert_eq(file_print(first, "weights"), NRE_OK);
    cr_assert(strstr(u[3].missing(&t.run, &u[3]), "member-1/weights.h5"),
              "of all members");
    trial_close(&t);
}

/* All of it, by hand: what units write is what they say. */
Test(units, perform_what_they_name)
{
    trial t;
    size_t n;
    trial_open(&t, SETTINGS("infer.observation={simulate: {n: 2, seed: 3}}"));
    cr_assert_eq(stages_open(folder_path(t.run.folder, "stages.json"), &t.run.stages),
                 NRE_OK);
    cr_assert_eq(folder_make(t.run.folder->path), NRE_OK);
    const unit *u = units_of(&t, &n);
    for (size_t i = 0; i < n; i++) {
        double rate = 0;
        const char *rate_unit = NULL;
        cr_assert_eq(u[i].perform(&t.run, &u[i], &rate, &rate_unit), NRE_OK, "%s: %s",
                     u[i].name, error_message());
        cr_assert_null(u[i].missing(&t.run, &u[i]), "%s", u[i].name);
    }
    trial_close(&t);
}

Test(units, rows_together_need_all_parameters)
{
    trial t;
    size_t n;
    const unit *u;
    trial_open(&t, SETTINGS("infer.observation={simulate: {n: 2}}"));
    t.run.joint = true;
    cr_assert_eq(units_of_run(&t.run, &n, &u), NRE_ECONFIG);
    cr_assert(strstr(error_message(), "target 'theta_2' leaves parameters out"));
    trial_close(&t);
    trial_open(&t, SETTINGS("infer.observation={simulate: {n: 2}}",
                            "infer.nuisance=per_observation"));
    t.run.joint = true;
    units_of(&t, &n);
    trial_close(&t);
}
