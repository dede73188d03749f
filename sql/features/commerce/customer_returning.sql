with aged as (
    select
        spine.customer_id,
        spine.night,
        refunds.amount,
        refunds.quantity,
        cast(spine.night - refunds.refunded_on as integer) as age
    from features.customer_spine as spine
    inner join core.fct_refunds as refunds
        on refunds.customer_id = spine.customer_id
        and refunds.refunded_on <= spine.night
)

select
    customer_id,
    night,
    cast(sum(amount) as decimal(18, 2)) as refunds,
    cast(sum(case when age < 90 then amount else 0 end) as decimal(18, 2)) as refunds_90d,
    cast(sum(case when age < 365 then amount else 0 end) as decimal(18, 2)) as refunds_365d,
    cast(sum(case when age < 365 then quantity else 0 end) as integer) as returned_units_365d
from aged
group by customer_id, night
