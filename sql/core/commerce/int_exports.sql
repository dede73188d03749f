-- Whether an export ever came: what needs it is absent without it. A table of its own, so that tables by day are
-- built anew when the answer changes, and not each time that the export brings rows. One row of each tells.
select
    cast(1 as integer) as id,
    (select count(*) from (select 1 as one from core.fct_refunds limit 1) as refunds) > 0 as has_refunds,
    (select count(*) from (select 1 as one from core.fct_page_events where funnel_step >= 2 limit 1) as events) > 0 as has_funnel_events,
    (select count(*) from (select 1 as one from staging.stg_shop__experiment_exposures limit 1) as exposures) > 0 as has_exposures
