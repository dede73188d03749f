-- Whether an export ever came: what needs it is absent without it. A table of its own, so that tables by day are
-- built anew when the answer changes, and not each time that the export brings rows.
select
    cast(1 as integer) as id,
    (select count(*) from core.fct_refunds) > 0 as has_refunds,
    (select count(*) from core.fct_page_events where funnel_step >= 2) > 0 as has_funnel_events,
    (select count(*) from staging.stg_shop__experiment_exposures) > 0 as has_exposures
