select
    s.customer_id,
    s.night,
    f.credit_score,
    f.country,
    f.gender,
    f.age,
    f.tenure_years,
    f.balance,
    f.products,
    f.has_card,
    f.is_active,
    f.salary
from features.customer_spine as s
left join staging.stg_bank__customers as f on f.customer_id = s.customer_id
