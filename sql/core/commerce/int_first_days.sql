-- A feature is absent before the first day of what it counts: a past night did not have the export yet. That day is
-- the one that the export's contract declares, or else that of the first event.
select
    cast(1 as integer) as id,
    coalesce(declared.orders_on, (select min(day) from core.int_order_days)) as orders_on,
    coalesce(declared.sessions_on, (select min(day) from core.int_visit_days where sessions > 0)) as sessions_on,
    (select min(day) from core.int_visit_days where converted_carts > 0) as converted_carts_on,
    coalesce(declared.emails_on, (select min(day) from core.int_message_days where sent > 0)) as emails_on,
    (select min(day) from core.int_message_days where opened > 0) as opened_emails_on,
    coalesce(declared.refunds_on, (select min(refunded_on) from core.fct_refunds)) as refunds_on
from staging.stg_shop__data_begins as declared
