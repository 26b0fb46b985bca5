// What `bench --help` says.

export const HELP = `npm run bench -- [options]     (in your project: npx berth bench [options])

Berth's figures beside its peers', in one run: suites core, churn, plugin, store, instructions.
Everything is measured in several passes, until its ratios are settled or 13 minutes are over.

  --quick              everything once with tiny counts, under a minute; no peers are built
  --filter TEXT        a suite, or what has TEXT in its name; may be repeated
  --seed N             of the work that is done (default 42)
  --no-peers           without peers (host-local, too); --peers builds them for a quick run as well
  --json FILE          the results as JSON
  --turn N             calls of one plugin in a row (default 1: strict alternation)
  --operations N       how many operations the law of two threads is tried with
  --compare A B        ratios of two results that differ by over 25 %, or are in one only
  --baseline           counts instructions and keeps them as what later runs are compared with
  --publish            a full run whose results become the package's docs/BENCHMARKS.md
  --page               that page and its plots anew from the published results

Exit status: 0 everything ran that can run here (what can't is named as left out, and with
BERTH_NEEDS=must in the environment ends with 1), whether targets were met or not, or the two
results agree; 1 a call failed, an allocator gave other addresses than its peers, more instructions
than the baseline allows, or the two results don't agree; 2 the arguments are wrong: also where a
result can't be read or written, before anything is measured or compared.
`;
