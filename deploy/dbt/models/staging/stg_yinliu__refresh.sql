select figure, complete_through as figure_complete_through
from {{ source('yinliu', 'v_refresh') }}
