-- What each night's model promised in its backtest, and what came of that night's scores once the horizon had passed.
with calibration as (
    select
        model,
        night,
        sum(cast("rows" as double) * abs(mean_score - mean_label)) / nullif(sum(cast("rows" as double)), 0) as calibration_error
    from ml.calibration
    group by model, night
),

drift as (
    select
        model,
        night,
        max(case when measure = 'psi' then value end) as highest_psi,
        max(case when measure = 'c2st' then value end) as drift_auc
    from ml.drift
    group by model, night
),

outcomes as (
    select
        model,
        night,
        max(case when decile = 0 then "rows" end) as judged_rows,
        max(case when decile = 0 then metric end) as live_metric,
        max(case when decile = 0 then promised end) as promised_value,
        max(case when decile = 0 then value end) as live_value,
        sum(case when decile > 0 then cast("rows" as double) * abs(mean_score - mean_label) end)
        / nullif(sum(case when decile > 0 then cast("rows" as double) end), 0) as live_calibration_error,
        max(case when decile = 0 then mean_score end) as live_mean_score,
        max(case when decile = 0 then mean_label end) as live_mean_label,
        max(case when decile = 1 then promised_lift end) as promised_top_lift,
        max(case when decile = 1 then lift end) as live_top_lift
    from ml.outcomes
    where night <= $night
    group by model, night
)

select
    versions.model,
    versions.night,
    versions.outcome,
    versions.reason,
    versions.version,
    versions.family,
    versions.metric,
    versions.metric_value as backtest_value,
    versions."rows" as learnt_rows,
    versions.entities as learnt_entities,
    versions.mean_label,
    versions.snapshots,
    versions.last_snapshot,
    versions.horizon_days,
    calibration.calibration_error,
    drift.highest_psi,
    drift.drift_auc,
    outcomes.judged_rows,
    outcomes.live_metric,
    outcomes.promised_value,
    outcomes.live_value,
    outcomes.live_calibration_error,
    outcomes.live_mean_score,
    outcomes.live_mean_label,
    outcomes.promised_top_lift,
    outcomes.live_top_lift
from ml.model_versions as versions
left join calibration
    on calibration.model = versions.model
    and calibration.night = versions.night
left join drift
    on drift.model = versions.model
    and drift.night = versions.night
left join outcomes
    on outcomes.model = versions.model
    and outcomes.night = versions.night
where versions.night <= $night
