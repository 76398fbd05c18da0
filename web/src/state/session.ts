import { ref } from 'vue'
import { api } from '../api/client'

/** `unknown` until the node has answered once. */
export const access = ref<'unknown' | 'granted' | 'login' | 'unreachable'>('unknown')

/** A session that may look but not act. */
export const readOnly = ref(false)

export async function checkSession(): Promise<void> {
  try {
    const session = await api.session()
    readOnly.value = session.read_only ?? false
    access.value = session.required && !session.authenticated ? 'login' : 'granted'
  } catch {
    if (access.value === 'unknown') access.value = 'unreachable'
  }
}
