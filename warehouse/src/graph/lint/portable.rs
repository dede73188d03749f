//! Which functions both engines read alike, and what to write instead of those they do not.

/// Scalar functions with one meaning in DataFusion and DuckDB.
pub const SCALAR: &[&str] = &[
    "abs",
    "acos",
    "ascii",
    "asin",
    "atan",
    "atan2",
    "cbrt",
    "char_length",
    "character_length",
    "chr",
    "coalesce",
    "concat",
    "concat_ws",
    "contains",
    "cos",
    "cot",
    "date_part",
    "date_trunc",
    "degrees",
    "ends_with",
    "exp",
    "greatest",
    "instr",
    "isnan",
    "least",
    "left",
    "length",
    "levenshtein",
    "ln",
    "log10",
    "log2",
    "lower",
    "lpad",
    "ltrim",
    "make_date",
    "md5",
    "nullif",
    "pi",
    "pow",
    "power",
    "radians",
    "regexp_replace",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "sin",
    "split_part",
    "sqrt",
    "starts_with",
    "strpos",
    "substr",
    "substring",
    "tan",
    "translate",
    "trim",
    "trunc",
    "upper",
];

/// Aggregates with one meaning in both.
pub const AGGREGATE: &[&str] = &[
    "avg",
    "bool_and",
    "bool_or",
    "corr",
    "count",
    "covar_pop",
    "covar_samp",
    "grouping",
    "max",
    "median",
    "min",
    "percentile_cont",
    "regr_count",
    "regr_intercept",
    "regr_r2",
    "regr_slope",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "string_agg",
    "sum",
    "var_pop",
    "var_samp",
];

/// Window functions with one meaning in both.
pub const WINDOW: &[&str] = &[
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

/// Functions of FROM with one meaning in both, given a column alias (`generate_series(0, 9) as t(n)`).
pub const TABLE: &[&str] = &["generate_series", "range"];

/// Windows whose value depends on the order of rows: without ORDER BY they are chance.
pub const ORDERED_WINDOW: &[&str] = &[
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

/// Aggregates of text or lists whose value depends on the order of rows.
pub const ORDERED_AGGREGATE: &[&str] = &["string_agg"];

/// What answers differently at every call: a night must not depend on the clock or on chance.
const CLOCK: &[&str] = &[
    "clock_timestamp",
    "current_date",
    "current_localtime",
    "current_localtimestamp",
    "current_time",
    "current_timestamp",
    "get_current_time",
    "get_current_timestamp",
    "localtime",
    "localtimestamp",
    "now",
    "statement_timestamp",
    "transaction_timestamp",
    "today",
];
const CHANCE: &[&str] = &["gen_random_uuid", "rand", "random", "setseed", "uuid", "uuidv4", "uuidv7"];

/// How a function may be used in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    Portable,
    /// Reads the clock.
    Clock,
    /// Draws at random.
    Chance,
    /// Read differently, or by one engine only; what to write instead.
    Other(&'static str),
}

/// How the function of that name (lower case) is read.
pub fn reading(name: &str) -> Reading {
    if [SCALAR, AGGREGATE, WINDOW].iter().any(|list| list.contains(&name)) {
        return Reading::Portable;
    }
    if CLOCK.contains(&name) {
        return Reading::Clock;
    }
    if CHANCE.contains(&name) {
        return Reading::Chance;
    }
    Reading::Other(instead(name))
}

/// All names a model may call, for "did you mean".
pub fn names() -> impl Iterator<Item = &'static str> {
    [SCALAR, AGGREGATE, WINDOW].into_iter().flatten().copied()
}

fn instead(name: &str) -> &'static str {
    match name {
        "date_diff" | "datediff" | "date_sub" | "datesub" => {
            "subtract two DATEs for days: CAST(b AS DATE) - CAST(a AS DATE)"
        }
        "date_add" | "dateadd" => "add an interval, `day + INTERVAL '1 day'`, and CAST the result to DATE",
        "year" | "month" | "day" | "quarter" | "week" | "hour" | "minute" | "second" | "dayofweek" | "dayofyear"
        | "weekday" => "write EXTRACT(part FROM x)",
        "strftime" | "to_char" | "date_format" | "monthname" | "dayname" => {
            "keep the DATE, or build the text from EXTRACT and lpad: formatting differs"
        }
        "to_date" | "to_timestamp" | "strptime" | "epoch" | "from_unixtime" | "to_unixtime" => {
            "CAST ISO text; other formats belong in the contract (`date_formats`, `timestamp_formats`)"
        }
        "last_day" => "write CAST(date_trunc('month', x) + INTERVAL '1 month' - INTERVAL '1 day' AS DATE)",
        "date_bin" | "time_bucket" => "write date_trunc",
        "ifnull" | "nvl" | "isnull" | "nvl2" => "write coalesce(x, y)",
        "if" | "iff" | "iif" | "decode" | "sign" | "signum" => "write CASE WHEN … THEN … ELSE … END",
        "len" | "strlen" => "write length(x)",
        "mod" => "write a % NULLIF(b, 0)",
        "log" => "write ln(x) or log10(x)",
        "ceiling" => "write ceil(x)",
        "stddev_population" => "write stddev_pop(x)",
        "variance" | "var" => "write var_samp(x)",
        "btrim" => "write trim(x)",
        "initcap" => "write upper(substr(x, 1, 1)) || lower(substr(x, 2))",
        "group_concat" | "listagg" => "write string_agg(x, ',' ORDER BY … NULLS LAST)",
        "array_agg" | "list" | "make_array" | "unnest" | "list_value" => "keep rows: a column is never a list",
        "any_value" | "first" | "last" | "arbitrary" | "max_by" | "min_by" | "arg_max" | "arg_min" => {
            "write min(x) or max(x), or row_number() OVER (… ORDER BY … NULLS LAST) = 1"
        }
        "mode" => "count by value and take row_number() … = 1",
        "approx_distinct" | "approx_count_distinct" => "write count(DISTINCT x)",
        "approx_median"
        | "approx_quantile"
        | "approx_percentile_cont"
        | "quantile_cont"
        | "quantile"
        | "quantile_disc" => "write percentile_cont(p) WITHIN GROUP (ORDER BY x NULLS LAST)",
        "regexp_like" | "regexp_matches" | "regexp_match" | "regexp_extract" | "regexp_count" | "regexp_full_match" => {
            "write LIKE, split_part or regexp_replace"
        }
        "count_if" | "countif" | "sum_if" => "write count(*) FILTER (WHERE …)",
        "sha256" | "sha1" | "sha224" | "sha512" | "hash" => "write md5(x)",
        "arrow_cast" | "arrow_typeof" | "typeof" => "write CAST(x AS type)",
        _ => "use a function that both DataFusion and DuckDB have",
    }
}
