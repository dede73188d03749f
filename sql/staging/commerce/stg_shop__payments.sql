-- A provider's event is delivered once. Its code words differ only by case.
select
    payment_id,
    order_id,
    paid_at,
    lower(trim(method)) as method,
    lower(trim(status)) as status,
    amount
from bronze.payments
