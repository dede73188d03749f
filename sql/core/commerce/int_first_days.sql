-- A feature is absent before the first day of what it counts: a past night did not have the export yet.
select
    cast(1 as integer) as id,
    (select min(day) from core.int_order_days) as orders_on,
    (select min(day) from core.int_visit_days where sessions > 0) as sessions_on,
    (select min(day) from core.int_visit_days where converted_carts > 0) as converted_carts_on,
    (select min(day) from core.int_message_days where sent > 0) as emails_on,
    (select min(day) from core.int_message_days where opened > 0) as opened_emails_on,
    (select min(refunded_on) from core.fct_refunds) as refunds_on
