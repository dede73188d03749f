-- Cash is what was captured less what was charged back. A shop that exports no status exports captures only.
select
    payment_id,
    order_id,
    paid_at,
    cast(paid_at as date) as paid_on,
    method,
    status,
    amount,
    cast(case coalesce(status, 'captured')
        when 'captured' then amount
        when 'chargeback' then -amount
        else 0
    end as decimal(18, 2)) as cash_amount
from staging.stg_shop__payments
