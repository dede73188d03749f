select
    s.customer_id,
    s.night,
    c.senior,
    c.tenure_months,
    c.internet_service,
    c.tech_support,
    c.contract,
    c.payment_method,
    c.monthly_charges
from features.customer_spine as s
left join staging.stg_telco__customers as c on c.customer_id = s.customer_id
