drop table guest_results, guest_sessions;
