/* config/schema.c - all keys as data, and what is told about them. */
#include "config/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Designators take no parentheses.  NOLINTBEGIN(bugprone-macro-parentheses) */
#define AT(member) .at = 1 + offsetof(experiment, member)

#define DATASET(name_, rows_, flags_, help_)                                             \
    {"datasets." #name_, KEY_MAP, .flags = (flags_), .help = help_,                      \
     AT(datasets.name_.wanted)},                                                         \
        {"datasets." #name_ ".n",                                                        \
         KEY_INT,                                                                        \
         rows_,                                                                          \
         .lo = 1,                                                                        \
         .hi = 1e12,                                                                     \
         .excludes = "file|theta|x",                                                     \
         .help = "How many simulations to draw.",                                        \
         AT(datasets.name_.n)},                                                          \
        {"datasets." #name_ ".shard",                                                    \
         KEY_INT,                                                                        \
         "0",                                                                            \
         .lo = 0,                                                                        \
         .hi = 1e12,                                                                     \
         .flags = KEY_QUIET,                                                             \
         .excludes = "file|theta|x",                                                     \
         .help = "Simulations a file; 0: chosen by the core.",                           \
         AT(datasets.name_.shard)},                                                      \
        {"datasets." #name_ ".file",                                                     \
         KEY_FILE,                                                                       \
         .excludes = "n|shard|theta|x",                                                  \
         .example = "sims.h5",                                                           \
         .help = "HDF5 file of existing simulations, read instead of drawing.",          \
         AT(datasets.name_.file)},                                                       \
        {"datasets." #name_ ".theta", KEY_FILE,                                          \
         .excludes = "n|shard|file",  .needs = "x",                                      \
         .example = "theta.npy",      .help = "Existing parameters, float64 [n][d].",    \
         AT(datasets.name_.theta)},                                                      \
        {"datasets." #name_ ".x",                                                        \
         KEY_FILE,                                                                       \
         .excludes = "n|shard|file",                                                     \
         .needs = "theta",                                                               \
         .example = "x.npy",                                                             \
         .help = "Existing observables, one row for each row of theta.",                 \
         AT(datasets.name_.x)},                                                          \
    {                                                                                    \
        "datasets." #name_ ".noise", KEY_FLAG, "included",                               \
            .choices = "add|included", .needs = "file|theta",                            \
            AT(datasets.name_.noise_included),                                           \
            .help = "Whether existing simulations hold their noise, or the simulator "   \
                    "has to add it."                                                     \
    }

#define REPEATS(kind_, name_, repeats_, help_)                                           \
    {                                                                                    \
        "diagnose." name_ ".repeats", KEY_INT, repeats_,                                 \
            .lo = 1, .hi = 1e6, .help = help_, AT(diagnose.check[kind_].repeats)         \
    }
#define CHECK(kind_, name_, flags_, n_, n_help_, help_)                                  \
    {"diagnose." name_, KEY_SWITCH, .flags = (flags_), .help = help_,                    \
     AT(diagnose.check[kind_].wanted)},                                                  \
        {"diagnose." name_ ".observables",                                               \
         KEY_INT,                                                                        \
         n_,                                                                             \
         .lo = 0,                                                                        \
         .hi = 1e12,                                                                     \
         .help = n_help_,                                                                \
         AT(diagnose.check[kind_].n)},                                                   \
        {"diagnose." name_ ".gate", KEY_MAP, .flags = KEY_QUIET,                         \
         .help = "What makes the run end with exit code 7."},                            \
        {"diagnose." name_ ".gate.fails",                                                \
         KEY_FLAG,                                                                       \
         "none",                                                                         \
         .choices = "none|error",                                                        \
         .help = "A result that a right ratio has once in a hundred times or less.",     \
         AT(diagnose.check[kind_].gate.fails)},                                          \
        {"diagnose." name_ ".gate.above", KEY_REAL, .example = "0.6",                    \
         .help = "Its number above this.", AT(diagnose.check[kind_].gate.above)},        \
    {                                                                                    \
        "diagnose." name_ ".gate.below", KEY_REAL, .example = "0.4",                     \
                                                   .help = "Its number below this.",     \
                                                   AT(diagnose.check[kind_].gate.below)  \
    }

/* NOLINTEND(bugprone-macro-parentheses) */

static const schema_key KEYS[] = {
    {"schema", KEY_WORD, .choices = "nereid/1", .flags = KEY_REQUIRED,
     .example = "nereid/1", .help = "Version of this file's language."},
    {"extends", KEY_FILE, .flags = KEY_QUIET, .example = "base.yaml",
     .help = "A config to inherit from: maps merge, lists and values replace."},
    {"name", KEY_STRING, .flags = KEY_QUIET, .example = "my-experiment", AT(name),
     .help = "Name of the run and of its folder; else the name of the file."},
    {"seed", KEY_INT, "1", .lo = 0, .hi = 9.2e18, AT(seed),
     .help = "The root of all randomness: every stream is derived from it."},
    {"estimator", KEY_CHOICE, "network", .choices = "network|exact|prior", AT(estimator),
     .help = "What answers log r: a network, the simulator's exact likelihood (the "
             "ceiling) or the "
             "prior alone (the floor)."},

    {"simulator", KEY_MAP, .help = "What draws x given theta."},
    {"simulator.plugin", KEY_PLUGIN, .flags = KEY_REQUIRED, .kind = NRE_SIMULATOR,
     .example = "boarding_school",
     .help = "Name of the simulator; `nereid plugins simulators` lists."},
    {"simulator.params", KEY_PARAMS, "{}", .help = "Options of the simulator."},
    {"simulator.on_invalid", KEY_CHOICE, "redraw_theta",
     .choices = "error|redraw_x|redraw_theta",
     .help = "What follows an invalid simulation: stop, the same theta again, or a new "
             "theta.",
     AT(simulator.on_invalid)},
    {"simulator.max_fraction", KEY_REAL, "0.01", .lo = 0, .hi = 1,
     AT(simulator.max_fraction),
     .help = "More invalid simulations than this fraction end the run."},

    {"parameters", KEY_NAMES,
     .help = "Overrides of the simulator's own priors, by parameter."},
    {"parameters.*", KEY_MAP, .help = "One parameter."},
    {"parameters.*.prior", KEY_PRIOR, .flags = KEY_REQUIRED,
     .example = "{uniform: [0, 1]}", .help = "A family and its arguments."},

    {"datasets", KEY_MAP, .help = "Simulations to draw, or files that hold them."},
    DATASET(train, "100000", 0, "What the networks learn from."),
    DATASET(validation, "10000", 0, "Chooses the best epoch."),
    DATASET(calibration, "10000", KEY_OPTIONAL, "Neyman and ratio calibration."),
    DATASET(test, "20000", 0, "Touched by diagnostics only."),

    {"architecture", KEY_MAP, .help = "The network."},
    {"architecture.plugin", KEY_PLUGIN, "mlp", .kind = NRE_ARCHITECTURE,
     .help = "Name of the architecture; `nereid plugins architectures` lists."},
    {"architecture.params", KEY_PARAMS, "{}", .help = "Options of the architecture."},

    {"train", KEY_MAP, .help = "How the networks are trained."},
    {"train.loss", KEY_MAP, .help = "What training minimises."},
    {"train.loss.name", KEY_WORD, "nre_a", .choices = "nre_a|nre_b|nre_c|bnre|bcnre",
     AT(train.loss.name),
     .help =
         "nre_a: binary cross-entropy of joint against marginal pairs; nre_b: softmax "
         "over them; nre_c: contrastive; bnre, bcnre: nre_a and nre_c, balanced."},
    {"train.loss.marginals", KEY_INT, "1", .lo = 1, .hi = 64, AT(train.loss.marginals),
     .help = "Marginal pairs a joint pair, by cyclic shifts of the batch."},
    {"train.loss.gamma", KEY_REAL, "1", .lo = 0, .hi = 1e6, .flags = KEY_OPEN_LO,
     .help = "Of nre_c and bcnre: odds of a joint pair among the marginal ones.",
     AT(train.loss.gamma)},
    {"train.loss.lambda", KEY_REAL, "100", .lo = 0, .hi = 1e6,
     .help = "Of bnre and bcnre: weight of the balance.", AT(train.loss.lambda)},
    {"train.optimizer", KEY_MAP, .help = "How weights follow the gradient."},
    {"train.optimizer.name", KEY_WORD, "adamw", .choices = "adamw",
     AT(train.optimizer.name), .help = "adamw: Adam with decoupled weight decay."},
    {"train.optimizer.lr", KEY_REAL, "0.001", .lo = 0, .hi = 10, .flags = KEY_OPEN_LO,
     .help = "Learning rate.", AT(train.optimizer.lr)},
    {"train.optimizer.beta1", KEY_REAL, "0.9", .lo = 0, .hi = 1, .flags = KEY_OPEN_HI,
     .help = "Decay of the mean of the gradient.", AT(train.optimizer.beta1)},
    {"train.optimizer.beta2", KEY_REAL, "0.999", .lo = 0, .hi = 1, .flags = KEY_OPEN_HI,
     .help = "Decay of the mean of its square.", AT(train.optimizer.beta2)},
    {"train.optimizer.eps", KEY_REAL, "1e-08", .lo = 0, .hi = 1, .flags = KEY_OPEN_LO,
     .help = "Added to the root of the mean square.", AT(train.optimizer.eps)},
    {"train.optimizer.weight_decay", KEY_REAL, "0.0001", .lo = 0, .hi = 10,
     .help = "Decay of the weights, in units of the learning rate.",
     AT(train.optimizer.weight_decay)},
    {"train.schedule", KEY_MAP, .help = "How the learning rate changes."},
    {"train.schedule.name", KEY_CHOICE, "cosine",
     .choices = "constant|cosine|plateau|one_cycle",
     .help = "Shape of the learning rate over the epochs.", AT(train.schedule.kind)},
    {"train.schedule.warmup", KEY_INT, "0", .lo = 0, .hi = 1e6, AT(train.schedule.warmup),
     .help = "Epochs of linear rise at the beginning."},
    {"train.schedule.factor", KEY_REAL, "0.1", .lo = 0, .hi = 1,
     .flags = KEY_OPEN_LO | KEY_OPEN_HI, AT(train.schedule.factor),
     .help = "Of plateau: what the rate is multiplied by."},
    {"train.schedule.patience", KEY_INT, "5", .lo = 1, .hi = 1e6,
     AT(train.schedule.patience),
     .help = "Of plateau: epochs without gain before the rate falls."},
    {"train.schedule.min_lr", KEY_REAL, "0", .lo = 0, .hi = 10, AT(train.schedule.min_lr),
     .help = "The learning rate never falls below it."},
    {"train.batch_size", KEY_INT, "1024", .lo = 2, .hi = 1e8, AT(train.batch_size),
     .help = "Joint pairs a step."},
    {"train.epochs", KEY_INT, "30", .lo = 1, .hi = 1e6, AT(train.epochs),
     .help = "Passes over the training set, at most."},
    {"train.patience", KEY_INT, "10", .lo = 0, .hi = 1e6, AT(train.patience),
     .help = "Epochs without a better validation loss before training ends; 0: never."},
    {"train.ensemble", KEY_INT, "1", .lo = 1, .hi = 1000, AT(train.ensemble),
     .help = "Networks an estimator."},
    {"train.replicate", KEY_INT, "0", .lo = 0, .hi = 1e6, AT(train.replicate),
     .help = "Which of several independent trainings: each has its own initial weights "
             "and batches."},
    {"train.online", KEY_MAP, .flags = KEY_OPTIONAL, AT(train.online.wanted),
     .help = "Draw new simulations for training all the time, instead of a stored set."},
    {"train.online.reuse", KEY_INT, "1", .lo = 1, .hi = 1e6, AT(train.online.reuse),
     .help = "Epochs that a simulation is used for before a new one takes its place."},
    {"train.accumulate", KEY_INT, "1", .lo = 1, .hi = 1e6, AT(train.accumulate),
     .help = "Parts of a batch that are computed one after another, to save memory; not "
             "with batch norm."},
    {"train.average", KEY_REAL, "0", .lo = 0, .hi = 1, .flags = KEY_OPEN_HI,
     .help = "Decay a step of a moving average of the weights, which is then what is "
             "validated and kept; 0: none.",
     AT(train.average)},
    {"train.clip", KEY_REAL, "0", .lo = 0, .hi = 1e30, AT(train.clip),
     .help = "Largest norm of the gradient; 0: no limit."},
    {"train.standardise", KEY_FLAG, "auto", .choices = "none|auto", AT(train.standardise),
     .help =
         "auto: theta through its prior's map, x by the training set; none: neither."},
    {"train.checkpoint_every", KEY_INT, "1", .lo = 1, .hi = 1e6, .flags = KEY_QUIET,
     .help = "Epochs between checkpoints.", AT(train.checkpoint_every)},

    {"infer", KEY_MAP, .help = "What is inferred, from which observation, and how."},
    {"infer.target", KEY_TARGETS, "all",
     .help = "Parameters of the posterior, the rest is marginalised: all, a name, [a, "
             "b], or a list "
             "of targets [[a, b], all]."},
    {"infer.ensemble", KEY_CHOICE, "mean", .choices = "mean|mixture", AT(infer.ensemble),
     .help = "How the networks of an estimator are joined. mean: of their log ratios; "
             "mixture: of their posteriors, each normalised."},
    {"infer.method", KEY_CHOICE, "ratio", .choices = "ratio|abc", AT(infer.method),
     .help = "ratio: the posterior of the estimator; abc: the simulations closest to the "
             "observation, for comparison."},
    {"infer.abc", KEY_MAP, .help = "Of method abc."},
    {"infer.abc.keep", KEY_REAL, "0.001", .lo = 0, .hi = 1, .flags = KEY_OPEN_LO,
     .help = "Fraction of the training simulations that is kept.", AT(infer.abc.keep)},
    {"infer.abc.distance", KEY_CHOICE, "standardised",
     .choices = "standardised|ratio_variance", AT(infer.abc.distance),
     .help =
         "standardised: Euclidean, of x as a network sees it; ratio_variance: variance "
         "over the bins of x / observed."},
    {"infer.prior", KEY_NAMES,
     .help =
         "Another prior than the simulations were drawn from, by parameter, within its "
         "support; of parameters that are in every target.  Diagnostics keep the old "
         "one."},
    {"infer.prior.*", KEY_PRIOR, .example = "{uniform: [0, 1]}",
     .help = "A family and its arguments."},
    {"infer.calibrate", KEY_MAP, .flags = KEY_OPTIONAL, AT(infer.calibrate.wanted),
     .help = "Calibrate the log ratio on datasets.calibration; results without it stand "
             "beside."},
    {"infer.calibrate.map", KEY_CHOICE, "isotonic", .choices = "histogram|isotonic|platt",
     AT(infer.calibrate.map), .help = "How a classifier's output becomes a probability."},
    {"infer.calibrate.per", KEY_CHOICE, "all", .choices = "all|theta",
     AT(infer.calibrate.per),
     .help = "all: one map for all theta; theta: maps of the pairs near each theta."},
    {"infer.observation", KEY_MAP, .flags = KEY_OPTIONAL, .help = "What was observed.",
     AT(infer.observation.wanted)},
    {"infer.observation.file", KEY_DATA_FILE, .excludes = "simulate",
     .example = "observed.csv",
     .help =
         "Read by the plugin if it has a reader, else one CSV row is one observation.",
     AT(infer.observation.file)},
    {"infer.observation.simulate", KEY_MAP, .flags = KEY_OPTIONAL, .excludes = "file",
     .help = "A mock observation whose truth is known.",
     AT(infer.observation.simulate.wanted)},
    {"infer.observation.simulate.at", KEY_NAMES,
     .help = "The truth by parameter; the others are at their nominal values."},
    {"infer.observation.simulate.at.*", KEY_REAL, .help = "Value of one parameter.",
     .example = "1.0"},
    {"infer.observation.simulate.n", KEY_INT, "1", .lo = 1, .hi = 1e9,
     .help = "Independent observations.", AT(infer.observation.simulate.n)},
    {"infer.observation.simulate.seed", KEY_INT, "1", .lo = 0, .hi = 9.2e18,
     .help = "Of the mock, apart from the root seed.",
     AT(infer.observation.simulate.seed)},
    {"infer.nuisance", KEY_WORD, .choices = "per_observation|shared", .example = "shared",
     .help = "Take all observations together.  What a target leaves out is drawn anew "
             "for each "
             "of them, or the same for all (shared: `all` must be a target too)."},
    {"infer.limits", KEY_MAPS, .flags = KEY_OPTIONAL,
     .help = "One-sided limits on parameters of the targets, one map each."},
    {"infer.limits.parameter", KEY_STRING, .flags = KEY_REQUIRED, .example = "theta",
     .help = "What is limited."},
    {"infer.limits.side", KEY_CHOICE, .choices = "lower|upper", .flags = KEY_REQUIRED,
     .example = "lower", .help = "lower: the parameter is larger than the limit."},
    {"infer.limits.level", KEY_REAL, "0.95", .lo = 0.5, .hi = 1,
     .flags = KEY_OPEN_LO | KEY_OPEN_HI,
     .help = "Mass of the posterior on the right side of the limit."},
    {"infer.limits.priors", KEY_WORDS, "[own]", .choices = "own|uniform|inverse|log",
     .help = "Priors to give it under, all within the support of the parameter's own: "
             "its own, flat in the parameter, in its reciprocal, in its logarithm."},
    {"infer.limits.against", KEY_REAL, .example = "1.0",
     .help = "A value of the parameter that the best fit is compared with."},
    {"infer.regions", KEY_MAP, .flags = KEY_OPTIONAL, AT(infer.regions.wanted),
     .help = "Sets of parameters that the observation leaves, beside its posterior."},
    {"infer.regions.levels", KEY_REALS, "[0.68, 0.95]", .lo = 0, .hi = 1,
     .flags = KEY_OPEN_LO | KEY_OPEN_HI, .help = "Nominal levels."},
    {"infer.regions.kinds", KEY_WORDS, "[credible, confidence, profile]",
     .choices = "credible|confidence|neyman|profile", AT(infer.regions.kinds),
     .help =
         "credible: highest posterior density; confidence: likelihood ratio by Wilks; "
         "neyman: by a critical value from datasets.calibration; profile: of each "
         "parameter, the others of the target at their best."},
    {"infer.sampler", KEY_MAP, .help = "What draws from the posterior."},
    {"infer.sampler.plugin", KEY_PLUGIN, "metropolis", .kind = NRE_SAMPLER,
     .help = "Name of the sampler; `nereid plugins samplers` lists."},
    {"infer.sampler.chains", KEY_INT, "16", .lo = 1, .hi = 1e6, AT(infer.sampler.chains),
     .help = "Independent chains."},
    {"infer.sampler.warmup", KEY_INT, "500", .lo = 0, .hi = 1e9, AT(infer.sampler.warmup),
     .help = "Steps a chain that adapt and are thrown away."},
    {"infer.sampler.draws", KEY_INT, "2000", .lo = 1, .hi = 1e9, AT(infer.sampler.draws),
     .help = "Steps a chain that are kept."},
    {"infer.sampler.params", KEY_PARAMS, "{}", .help = "Options of the sampler."},
    {"infer.sampler.gate", KEY_MAP, .help = "When chains are not to be trusted."},
    {"infer.sampler.gate.r_hat", KEY_REAL, "1.01", .lo = 1, .hi = 1e6,
     .flags = KEY_OPEN_LO, AT(infer.sampler.gate.r_hat),
     .help = "Largest rank-normalised split R-hat of a parameter."},
    {"infer.sampler.gate.ess", KEY_REAL, "400", .lo = 0, .hi = 1e12,
     AT(infer.sampler.gate.ess),
     .help = "Smallest bulk and tail effective sample size of a parameter."},
    {"infer.sampler.gate.missed", KEY_FLAG, "error", .choices = "none|error",
     AT(infer.sampler.gate.error),
     .help = "error: the run goes on, says so and ends with exit code 7."},

    {"diagnose", KEY_MAP, .help = "Whether the posterior is to be believed."},
    {"diagnose.coverage", KEY_SWITCH, AT(diagnose.coverage.wanted),
     .help = "Empirical coverage of credible regions and confidence sets; false: none."},
    {"diagnose.coverage.levels", KEY_REALS, "[0.68, 0.95, 0.997]", .lo = 0, .hi = 1,
     .flags = KEY_OPEN_LO | KEY_OPEN_HI, .help = "Nominal levels."},
    {"diagnose.coverage.regions", KEY_WORDS, "[credible, confidence]",
     .choices = "credible|confidence|neyman|biased", AT(diagnose.coverage.regions),
     .help =
         "credible: highest posterior density; confidence: likelihood ratio by Wilks; "
         "neyman: by a critical value from calibration simulations; biased: credible "
         "at a level raised by `bias`."},
    {"diagnose.coverage.bias", KEY_REALS, "[0.02]", .lo = 0, .hi = 1,
     .flags = KEY_REPEATS,
     .help =
         "Added to the levels of biased regions: one for all, or one for each; the sums "
         "stay below 1."},
    {"diagnose.coverage.observables", KEY_INT, "5000", .lo = 1, .hi = 1e12,
     .help = "Test pairs a block.", AT(diagnose.coverage.observables)},
    {"diagnose.coverage.repeats", KEY_INT, "4", .lo = 1, .hi = 1e6,
     .help = "Disjoint blocks of the test set.", AT(diagnose.coverage.repeats)},
    {"diagnose.coverage.gate", KEY_MAP, .flags = KEY_QUIET,
     .help = "What makes the run end with exit code 7."},
    {"diagnose.coverage.gate.under", KEY_FLAG, "none", .choices = "none|error",
     .help = "A coverage below nominal.", AT(diagnose.coverage.gate_under)},
    {"diagnose.coverage.gate.gain", KEY_REAL, .example = "0.5",
     .help = "A gain over the prior below this, nats: the prior itself covers perfectly.",
     AT(diagnose.coverage.gate_gain)},
    {"diagnose.coverage.snap", KEY_BOOL, "false", AT(diagnose.coverage.snap),
     .help = "Move each truth to the nearest grid point, which is biased."},
    {"diagnose.area", KEY_SWITCH, AT(diagnose.area.wanted),
     .help = "Integral of the posterior, which should be 1; false: none."},
    {"diagnose.area.observables", KEY_INT, "500", .lo = 1, .hi = 1e12,
     .help = "Test rows.", AT(diagnose.area.observables)},
    {"diagnose.area.gate", KEY_MAP, .flags = KEY_QUIET,
     .help = "What makes the run end with exit code 7."},
    {"diagnose.area.gate.outside", KEY_FLAG, "none", .choices = "none|error",
     .help = "The observation's area outside the central 99% of the test set's.",
     AT(diagnose.area.gate_outside)},
    {"diagnose.predictive", KEY_SWITCH, AT(diagnose.predictive.wanted),
     .help = "Rank of the observation among prior predictions; false: none."},
    {"diagnose.predictive.observables", KEY_INT, "500", .lo = 1, .hi = 1e12,
     .help = "Test rows that it is ranked among.", AT(diagnose.predictive.observables)},
    {"diagnose.predictive.gate", KEY_MAP, .flags = KEY_QUIET,
     .help = "What makes the run end with exit code 7."},
    {"diagnose.predictive.gate.outside", KEY_FLAG, "none", .choices = "none|error",
     .help = "The observation outside the central 99% of prior predictions.",
     AT(diagnose.predictive.gate_outside)},
    CHECK(
        CHECK_SBC, "sbc", 0, "0", "Test pairs; 0: those of the coverage.",
        "Simulation-based calibration: ranks of the truth of each parameter, and of its "
        "log ratio, among posterior draws."),
    CHECK(CHECK_TARP, "tarp", 0, "0", "Test pairs; 0: those of the coverage.",
          "Coverage of balls around random points that depend on x."),
    CHECK(CHECK_ENTROPY, "entropy", 0, "0", "Test pairs; 0: those of the coverage.",
          "Coverage apart for posteriors that are narrow, wide and between."),
    CHECK(CHECK_ENSEMBLE, "ensemble", 0, "1000", "Test pairs.",
          "How far the networks of an ensemble are apart, for test rows and the "
          "observation."),
    CHECK(CHECK_LIKELIHOOD, "likelihood", 0, "100", "Test pairs.",
          "Comparison with the exact posterior, of simulators with a likelihood."),
    CHECK(CHECK_POSTERIOR_PREDICTIVE, "posterior_predictive", 0, "1000",
          "Simulations from the posterior.",
          "Whether the observation looks like simulations from its own posterior."),
    CHECK(CHECK_AUC, "auc", KEY_OPTIONAL, "10000",
          "Simulations of each kind at each point.",
          "Whether a classifier tells p(x) r(x | theta) from p(x | theta)."),
    REPEATS(CHECK_AUC, "auc", "3", "Points theta, drawn from the prior."),
    CHECK(CHECK_CONVERGENCE, "convergence", KEY_OPTIONAL, "1000",
          "Observations of one theta, at most.",
          "Whether mode and posterior go to the truth as observations of it are added."),
    REPEATS(CHECK_CONVERGENCE, "convergence", "30", "Points theta."),
    CHECK(CHECK_LOCAL_COVERAGE, "local_coverage", KEY_OPTIONAL, "2000",
          "Pairs, drawn anew.",
          "Coverage for truths in the 99.9% region of the observation alone."),
    CHECK(CHECK_LC2ST, "lc2st", KEY_OPTIONAL, "10000", "Test pairs.",
          "Local classifier two-sample test of the posterior of the observation."),
    REPEATS(CHECK_LC2ST, "lc2st", "100", "Classifiers under the null hypothesis."),

    {"rounds", KEY_MAP, .flags = KEY_OPTIONAL, AT(rounds.wanted),
     .help = "Truncate the prior to where the observation leaves it, simulate and train "
             "anew, and again: right for that observation alone."},
    {"rounds.most", KEY_INT, "5", .lo = 1, .hi = 1000, AT(rounds.most),
     .help = "Rounds at most, the first with the whole prior."},
    {"rounds.n", KEY_INT, .lo = 1, .hi = 1e12, .example = "2000", AT(rounds.n),
     .help = "Training simulations of a round; without it datasets.train.n."},
    {"rounds.epsilon", KEY_REAL, "1.0e-4", .lo = 0, .hi = 1,
     .flags = KEY_OPEN_LO | KEY_OPEN_HI, AT(rounds.epsilon),
     .help = "Kept is where r exceeds this fraction of its maximum."},
    {"rounds.stable", KEY_REAL, "0.8", .lo = 0, .hi = 1, AT(rounds.stable),
     .help = "Ends when a round keeps at least this fraction of the prior's volume."},
    {"rounds.box", KEY_BOOL, "false", AT(rounds.box),
     .help = "Keep the bounding box of the region, not the region itself."},

    {"report", KEY_MAP, .flags = KEY_QUIET, .help = "What is written for people."},
    {"report.html", KEY_BOOL, "true", .help = "One self-contained page.",
     AT(report.html)},

    {"sweep", KEY_MAP, .flags = KEY_OPTIONAL,
     .help = "Many experiments in one file: a cell for each combination of labels."},
    {"sweep.axes", KEY_NAMES, .flags = KEY_REQUIRED,
     .help = "What varies, by name; the last axis varies fastest."},
    {"sweep.axes.*", KEY_AXIS, .example = "{short: {train: {epochs: 5}}, long: {}}",
     .help = "By label, what is merged over the rest of the config."},
    {"sweep.replicates", KEY_INT, "1", .lo = 1, .hi = 1000,
     .help = "Independent trainings of each cell, on the same simulations."},
};

enum { N_KEYS = sizeof KEYS / sizeof KEYS[0] };

/* Decided but of a later version: no near key is suggested in their place. */
static const char LATER[] = "plugins|tables";

static const prior_family FAMILIES[] = {
    {"uniform", NRE_UNIFORM, "low|high", 2},
    {"log_uniform", NRE_LOG_UNIFORM, "low|high", 2},
    {"normal", NRE_NORMAL, "mean|sd", 2},
    {"log_normal", NRE_LOG_NORMAL, "mu|sigma", 2},
    {"truncated_normal", NRE_TRUNCATED_NORMAL, "mean|sd|lo|hi", 4},
    {"half_normal", NRE_HALF_NORMAL, "scale", 1},
    {"half_cauchy", NRE_HALF_CAUCHY, "scale", 1},
    {"gamma", NRE_GAMMA, "shape|scale", 2},
    {"beta", NRE_BETA, "a|b|lo|hi", 2},
};

const prior_family *prior_families(size_t *n)
{
    *n = sizeof FAMILIES / sizeof FAMILIES[0];
    return FAMILIES;
}

const char *prior_usage(const prior_family *f, arena *a)
{
    const char *all = choices_text(f->arguments, a);
    size_t n = 0;
    const char *const *names = choices_list(f->arguments, a, &n);
    if (n == f->n_least)
        return arena_print(a, "[%s]", all);
    return arena_print(a, "[%s, %s] or [%s]", names[0], names[1], all);
}

/* looking up */

const schema_key *schema_keys(size_t *n)
{
    *n = N_KEYS;
    return KEYS;
}

const char *key_name(const schema_key *k)
{
    const char *dot = strrchr(k->path, '.');
    return dot ? dot + 1 : k->path;
}

static bool path_matches(const char *pattern, const char *path)
{
    for (;;) {
        size_t p = strcspn(pattern, "."), n = strcspn(path, ".");
        bool any = p == 1 && pattern[0] == '*' && n > 0;
        if (!any && (p != n || memcmp(pattern, path, n) != 0))
            return false;
        if (!pattern[p] || !path[n])
            return !pattern[p] && !path[n];
        pattern += p + 1;
        path += n + 1;
    }
}

const schema_key *schema_find(const char *path)
{
    for (size_t i = 0; i < N_KEYS; i++)
        if (path_matches(KEYS[i].path, path))
            return &KEYS[i];
    return NULL;
}

bool schema_is_below(const schema_key *k, const schema_key *parent)
{
    size_t n = parent ? strlen(parent->path) : 0;
    if (parent && (strncmp(k->path, parent->path, n) != 0 || k->path[n] != '.'))
        return false;
    return strchr(k->path + n + (parent != NULL), '.') == NULL;
}

const schema_key *schema_below(const schema_key *parent, const char *name)
{
    for (size_t i = 0; i < N_KEYS; i++)
        if (schema_is_below(&KEYS[i], parent) && (strcmp(key_name(&KEYS[i]), name) == 0 ||
                                                  strcmp(key_name(&KEYS[i]), "*") == 0))
            return &KEYS[i];
    return NULL;
}

/* words */

const char *const *choices_list(const char *choices, arena *a, size_t *n)
{
    char *text = arena_copy(a, choices);
    const char **list = arena_alloc(a, strlen(choices) + 1, sizeof *list);
    *n = 0;
    if (!text || !list)
        return list;
    for (char *save = NULL, *w = strtok_r(text, "|", &save); w;
         w = strtok_r(NULL, "|", &save))
        list[(*n)++] = w;
    return list;
}

bool choices_have(const char *choices, const char *word)
{
    size_t n = strlen(word);
    for (const char *c = choices; c && *c; c += strcspn(c, "|"), c += *c == '|')
        if (strcspn(c, "|") == n && memcmp(c, word, n) == 0)
            return true;
    return false;
}

const char *choices_text(const char *choices, arena *a)
{
    const char *text = "";
    size_t n = 0;
    const char *const *list = choices_list(choices, a, &n);
    for (size_t i = 0; i < n && text; i++)
        text = arena_print(a, "%s%s%s", text, i ? ", " : "", list[i]);
    return text ? text : "";
}

static const char *real_range(const schema_key *k, arena *a)
{
    bool open_lo = k->flags & KEY_OPEN_LO, open_hi = k->flags & KEY_OPEN_HI;
    if (!(k->lo < k->hi))
        return "a number";
    return arena_print(a, "a number in %c%g, %g%c", open_lo ? '(' : '[', k->lo, k->hi,
                       open_hi ? ')' : ']');
}

static const char *value_text(const schema_key *k, arena *a)
{
    switch (k->type) {
    case KEY_MAP:
    case KEY_NAMES:
    case KEY_PARAMS:
        return "a map";
    case KEY_SWITCH:
        return "a map or false";
    case KEY_STRING:
        return "a string";
    case KEY_PLUGIN:
        return "the name of a plugin";
    case KEY_WORD:
    case KEY_CHOICE:
    case KEY_FLAG:
        return strchr(k->choices, '|')
                   ? arena_print(a, "one of %s", choices_text(k->choices, a))
                   : k->choices;
    case KEY_BOOL:
        return "true or false";
    case KEY_INT:
        return k->hi < 1e12 ? arena_print(a, "an integer in %.0f..%.0f", k->lo, k->hi)
                            : arena_print(a, "an integer >= %.0f", k->lo);
    case KEY_REAL:
        return real_range(k, a);
    case KEY_REALS:
        return "a list of numbers";
    case KEY_WORDS:
        return arena_print(a, "a list of %s", choices_text(k->choices, a));
    case KEY_FILE:
    case KEY_DATA_FILE:
        return "the path of a file";
    case KEY_PRIOR:
        return "a family and its arguments, {uniform: [low, high]}";
    case KEY_TARGETS:
        return "all, a parameter, a list of parameters, or a list of targets";
    case KEY_AXIS:
        return "a map of labels, each with a map of what it changes";
    case KEY_MAPS:
        return "a map, or a list of maps";
    }
    return "a value";
}

const char *key_expects(const schema_key *k, arena *a)
{
    const char *text = value_text(k, a);
    return text ? text : "another value";
}

/* suggestions */

static const char *near_sibling(const schema_key *parent, const char *name)
{
    const char *names[N_KEYS];
    size_t n = 0;
    for (size_t i = 0; i < N_KEYS; i++)
        if (schema_is_below(&KEYS[i], parent))
            names[n++] = key_name(&KEYS[i]);
    return text_nearest(name, n, names);
}

/* The only key with this last word, or NULL. */
static const schema_key *only_named(const char *name)
{
    const schema_key *found = NULL;
    for (size_t i = 0; i < N_KEYS; i++)
        if (strcmp(key_name(&KEYS[i]), name) == 0) {
            if (found)
                return NULL;
            found = &KEYS[i];
        }
    return found;
}

/* A key of another place whose last word is NAME or near it. */
static const schema_key *namesake(const char *name)
{
    const char *names[N_KEYS];
    const schema_key *same = only_named(name);
    for (size_t i = 0; i < N_KEYS; i++)
        names[i] = key_name(&KEYS[i]);
    const char *near = same ? NULL : text_nearest(name, N_KEYS, names);
    if (near)
        same = only_named(near);
    return same && !strchr(same->path, '*') ? same : NULL;
}

static const char *known_below(const schema_key *parent, arena *a)
{
    const char *text = "";
    for (size_t i = 0; i < N_KEYS && text; i++)
        if (schema_is_below(&KEYS[i], parent))
            text = arena_print(a, "%s%s%s", text, *text ? ", " : "", key_name(&KEYS[i]));
    return text ? text : "";
}

static const char *join(arena *a, const schema_key *parent, const char *name)
{
    return parent ? arena_print(a, "%s.%s", parent->path, name) : name;
}

const char *schema_hint(const schema_key *parent, const char *name, arena *a,
                        const char **near)
{
    const char *full = join(a, parent, name), *known = known_below(parent, a);
    *near = NULL;
    if (!full)
        return NULL;
    if (choices_have(LATER, full))
        return arena_print(a, "not known to this version  (known: %s)", known);
    const char *sibling = near_sibling(parent, name);
    if (sibling) {
        *near = join(a, parent, sibling);
        return arena_print(a, "did you mean '%s'?  (known: %s)", sibling, known);
    }
    const schema_key *same = namesake(name);
    if (same) {
        *near = same->path;
        return arena_print(a, "did you mean '%s'?  (known: %s)", same->path, known);
    }
    return arena_print(a, "not known to this version  (known: %s)", known);
}

/* explain */

static int unknown_key(const char *path, arena *a)
{
    const char *names[N_KEYS];
    for (size_t i = 0; i < N_KEYS; i++)
        names[i] = KEYS[i].path;
    const char *near = text_nearest(path, N_KEYS, names);
    const char *dot = strrchr(path, '.');
    const schema_key *same = namesake(dot ? dot + 1 : path);
    if (!near && same)
        near = same->path;
    if (near)
        return fail(NRE_EUSAGE, "no key '%s'; did you mean: nereid explain %s",
                    text_shown(a, path), near);
    return fail(NRE_EUSAGE, "no key '%s'; at the top there are: %s", text_shown(a, path),
                known_below(NULL, a));
}

static void explain_below(FILE *out, const schema_key *parent, arena *a)
{
    for (size_t i = 0; i < N_KEYS; i++) {
        const schema_key *k = &KEYS[i];
        if (!schema_is_below(k, parent))
            continue;
        fprintf(out, "  %-14s %s", key_name(k), key_expects(k, a));
        if (k->fallback && strcmp(k->fallback, "{}") != 0)
            fprintf(out, ", default %s", k->fallback);
        fprintf(out, "\n  %-14s %s\n", "", k->help);
    }
}

static void explain_families(FILE *out, arena *a)
{
    for (size_t i = 0; i < sizeof FAMILIES / sizeof FAMILIES[0]; i++)
        fprintf(out, "  %s: %s\n", FAMILIES[i].name, prior_usage(&FAMILIES[i], a));
}

static void explain_key(FILE *out, const schema_key *k, const char *path, arena *a)
{
    fprintf(out, "%s   %s", path, key_expects(k, a));
    if (k->flags & KEY_REQUIRED)
        fputs(", required", out);
    if (k->fallback && strcmp(k->fallback, "{}") != 0)
        fprintf(out, ", default %s", k->fallback);
    fprintf(out, "\n  %s\n", k->help);
    if (k->excludes)
        fprintf(out, "  Not together with: %s.\n", choices_text(k->excludes, a));
    if (k->needs)
        fprintf(out, "  Only together with: %s.\n", choices_text(k->needs, a));
    if (k->flags & KEY_QUIET)
        fputs("  Changes no result.\n", out);
    if (k->type == KEY_PRIOR)
        explain_families(out, a);
    if (k->type == KEY_PARAMS)
        fputs("  `nereid plugins KIND NAME` lists them.\n", out);
    explain_below(out, k, a);
}

static int printed(FILE *out, char **text, arena *a, const char **copy)
{
    *copy = NULL;
    if (out && fclose(out) == 0 && *text)
        *copy = arena_copy(a, *text);
    free(*text);
    return *copy ? NRE_OK : fail(NRE_ENOMEM, "no memory for a text");
}

int schema_explain(const char *path, arena *a, const char **text)
{
    const schema_key *k = schema_find(path);
    if (!k)
        return unknown_key(path, a);
    char *written = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&written, &length);
    if (out)
        explain_key(out, k, path, a);
    return printed(out, &written, a, text);
}

/* the starter file */

static size_t depth_of(const schema_key *k)
{
    size_t depth = 0;
    for (const char *c = k->path; *c; c++)
        depth += *c == '.';
    return depth;
}

static bool has_below(const schema_key *k)
{
    return k + 1 < KEYS + N_KEYS && schema_is_below(k + 1, k);
}

/* Keys without a default are shown behind a '#', and so is all below them. */
static bool is_comment(const schema_key *k)
{
    if (strchr(k->path, '*') || k->type == KEY_NAMES || k->needs)
        return true;
    for (size_t i = 0; i < N_KEYS; i++) {
        size_t n = strlen(KEYS[i].path);
        bool covers =
            strncmp(k->path, KEYS[i].path, n) == 0 && (k->path[n] == '.' || !k->path[n]);
        if (covers && (KEYS[i].flags & KEY_OPTIONAL))
            return true;
    }
    return !has_below(k) && !k->fallback && !(k->flags & KEY_REQUIRED);
}

static void put_starter_line(FILE *out, const schema_key *k, arena *a)
{
    const char *any = k->type == KEY_AXIS ? "training" : "theta";
    const char *name = strcmp(key_name(k), "*") == 0 ? any : key_name(k);
    const char *value = has_below(k) ? "" : k->fallback ? k->fallback : k->example;
    const char *line = arena_print(a, "%*s%s%s:%s%s", (int)(2 * depth_of(k)), "",
                                   is_comment(k) ? "# " : "", name,
                                   value && *value ? " " : "", value ? value : "");
    if (line)
        fprintf(out, "%-44s # %s\n", line, k->help);
}

const char *schema_starter(arena *a)
{
    char *written = NULL;
    size_t length = 0;
    const char *text = NULL;
    FILE *out = open_memstream(&written, &length);
    for (size_t i = 0; out && i < N_KEYS; i++) {
        if (i > 0 && depth_of(&KEYS[i]) == 0 && has_below(&KEYS[i]))
            fputc('\n', out);
        put_starter_line(out, &KEYS[i], a);
    }
    printed(out, &written, a, &text);
    return text;
}
