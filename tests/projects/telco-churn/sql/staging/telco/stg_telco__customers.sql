-- Customers as they are known now: the export has no history.
select
    customer_id,
    senior,
    tenure as tenure_months,
    internet_service,
    tech_support,
    contract,
    payment_method,
    monthly_charges,
    churned = 'Yes' as churned
from bronze.telco
