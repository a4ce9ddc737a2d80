import { QueryClient } from '@tanstack/svelte-query'
import { mount } from 'svelte'
import { whenUnauthenticated } from './api/client.ts'
import { ApiError } from './api/problem.ts'
import App from './App.svelte'
import './shared/tokens.css'
import './shared/base.css'
import './shared/theme.svelte.ts'

const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 5000,
      // By default a result tells only of fields that were read before; one that is first read later, behind a condition, would be stale then
      notifyOnChangeProps: 'all',
      // An answer that says no will say no again; only silence and overload are worth another try
      retry: (failures, error) => failures < 2 && (!(error instanceof ApiError) || error.status >= 500),
    },
  },
})

whenUnauthenticated(() => queryClient.setQueryData(['session'], { required: true, authenticated: false }))

mount(App, { target: document.getElementById('app')!, props: { queryClient } })
