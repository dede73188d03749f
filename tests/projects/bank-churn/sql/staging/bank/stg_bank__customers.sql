-- Customers as they are known now: the export has no history.
select
    customer_id,
    credit_score,
    country,
    gender,
    age,
    tenure_years,
    balance,
    products,
    has_card,
    is_active,
    salary,
    has_left
from bronze.bank_customers
